package gateway_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/breaker"
	"captchagate/captcha"
	"captchagate/config"
	"captchagate/fleet"
	"captchagate/gateway"
	"captchagate/sla"
	"captchagate/store/bolt"
	"captchagate/upstream"
)

// A provider is the Captcha API whose faults are known to the second, and who keeps its own
// records: by minute, of what reached it.
type provider struct {
	mu      sync.Mutex
	fault   func(probe bool) string // the fault of a call now; "" for none
	records map[int64]record
}

type record struct{ requests, failed, probes int64 }

var answersOfProvider = map[string]string{
	"":          `{"Response":{"CaptchaCode":1,"CaptchaMsg":"OK","EvilLevel":0,"RequestId":"%s"}}`,
	"busy":      `{"Response":{"CaptchaCode":26,"CaptchaMsg":"system busy","EvilLevel":0,"RequestId":"%s"}}`,
	"internal":  `{"Response":{"Error":{"Code":"InternalError","Message":"x"},"RequestId":"%s"}}`,
	"throttles": `{"Response":{"Error":{"Code":"RequestLimitExceeded","Message":"x"},"RequestId":"%s"}}`,
	"refuses":   `{"Response":{"Error":{"Code":"AuthFailure.SecretIdNotFound","Message":"x"},"RequestId":"%s"}}`,
}

const providersRequestID = "5b3a6a9e-0000-4000-8000-000000000001"

// RoundTrip answers after 5 ms, or as the fault has it.
func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	probe := strings.Contains(string(body), "trerror_")
	p.mu.Lock()
	fault, minute := p.fault(probe), time.Now().Unix()/60
	one := p.records[minute]
	one.requests++
	if failed := fault == "internal" || fault == "busy" || fault == "hangs" || fault == "502"; failed {
		one.failed++
		if probe {
			one.probes++
		}
	}
	p.records[minute] = one
	p.mu.Unlock()
	status, text := http.StatusOK, fmt.Sprintf(answersOfProvider[fault], providersRequestID)
	switch fault {
	case "hangs":
		<-r.Context().Done()
		return nil, r.Context().Err()
	case "502":
		status, text = http.StatusBadGateway, "<html>"
	}
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-time.After(5 * time.Millisecond):
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (p *provider) becomes(fault string) {
	p.becomesBy(func(bool) string { return fault })
}

func (p *provider) becomesBy(fault func(probe bool) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// failsOnce has the next call fail so.
func (p *provider) failsOnce(fault string) {
	p.becomesBy(func(bool) string {
		now := fault
		fault = ""
		return now
	})
}

// between sums the records of minutes up.
func (p *provider) between(from, to time.Time) (sum record, unavailable, seen int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for minute, one := range p.records {
		if at := time.Unix(minute*60, 0); at.Before(from) || !at.Before(to) {
			continue
		}
		seen++
		sum.requests += one.requests
		sum.failed += one.failed
		sum.probes += one.probes
		if 10_000*one.failed > one.requests {
			unavailable++
		}
	}
	return sum, unavailable, seen
}

// An instance is a breaker over the API, and the service levels that it counts.
type instance struct {
	t      *testing.T
	name   string
	api    *provider
	path   string
	board  *fleet.Memory
	cutOff bool // from the board
	dead   bool // the connections that are kept

	levels   *sla.Levels
	breaker  *breaker.Breaker
	upstream *upstream.Client
	exchange func()
	ends     func()

	users  int
	spared int64
	mu     sync.Mutex
}

// starts begins a process over the instance's file.
func (i *instance) starts() {
	i.t.Helper()
	log, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	file, err := bolt.Open(i.path, log)
	check(i.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	i.levels, err = sla.New(ctx, config.Defaults().SLA, file, log, registry)
	check(i.t, err)
	i.exchange = gateway.OpenSharedLevels(i.board, i.name, i.levels, func() int64 { return 1 }, func() bool { return !i.cutOff })
	cfg := config.Defaults()
	i.upstream, err = upstream.New(upstream.Config{
		Endpoint: "https://captcha.example", SecretID: "AKIDEXAMPLE", SecretKey: "secret",
		Apps: []upstream.App{{CaptchaAppID: 190000001, AppSecretKey: "app-secret"}},
	}, 256, i.api, registry)
	check(i.t, err)
	i.breaker, err = breaker.New(i, breaker.Ports{Fates: noFates{}, Abandoned: noFates{}, Journal: noJournal{}, Connections: i, Calls: told{i.levels}},
		190000001, []byte("placement"), cfg.Breaker, cfg.Upstream.Limits, log, registry)
	check(i.t, err)
	var running sync.WaitGroup
	running.Go(func() { i.levels.Run(ctx) })
	running.Go(func() { i.breaker.Run(ctx) })
	i.ends = func() {
		cancel()
		running.Wait()
		_ = file.Close()
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Verify is the API as the instance reaches it: over kept connections, or one made afresh.
func (i *instance) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	i.mu.Lock()
	dead := i.dead && !captcha.CallOf(ctx).Fresh
	i.mu.Unlock()
	if !dead {
		return i.upstream.Verify(ctx, t)
	}
	captcha.CallOf(ctx).OnTheWire()
	<-ctx.Done()
	return captcha.Verdict{}, &captcha.Failure{Kind: captcha.Fault, Err: context.Cause(ctx), FateUnknown: true, Retryable: true, Kept: true}
}

// Reset is what the breaker does to the connections.
func (i *instance) Reset() { i.connectionsDie(false) }

func (i *instance) connectionsDie(dead bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dead = dead
}

// asks has users ask, one after the other, and counts those who were spared.
func (i *instance) asks(users int) (answered int) {
	i.t.Helper()
	for range users {
		i.users++
		ticket := captcha.Ticket{
			Value: fmt.Sprintf("tr03%s%d", i.name, i.users), Randstr: "@x1", AppID: 190000001,
			UserIP: netip.AddrFrom4([4]byte{10, byte(i.users), byte(i.users >> 8), 1}),
		}
		v, err := i.breaker.Verify(i.t.Context(), ticket)
		if err == nil && v.Outcome == captcha.Passed {
			answered++
		}
		if err != nil {
			if f := captcha.AsFailure(err); f.Kind == captcha.CircuitOpen && f.Attempts == 0 {
				i.spared++
			}
		}
	}
	return answered
}

type noFates struct{}

func (noFates) Add(captcha.Key) bool { return true }
func (noFates) Has(captcha.Key) bool { return false }

type noJournal struct{}

func (noJournal) Transition(breaker.Transition)       {}
func (noJournal) Account(breaker.Account)             {}
func (noJournal) Throttling(breaker.Throttling, bool) {}

type told struct{ *sla.Levels }

func (told) Called(string, time.Duration) {}

// inMonths plays a story of three instances in virtual time.
func inMonths(t *testing.T, story func(api *provider, all []*instance)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		api := &provider{records: map[int64]record{}}
		api.becomes("")
		board := fleet.NewMemory()
		var all []*instance
		for _, name := range []string{"a", "b", "c"} {
			i := &instance{t: t, name: name, api: api, board: board, path: filepath.Join(t.TempDir(), cmp.Or(name, "x")+".db")}
			i.starts()
			all = append(all, i)
		}
		story(api, all)
		for _, i := range all {
			i.ends()
		}
	})
}

// toShanghai has virtual time pass until then; it begins on 2000-01-01.
func toShanghai(month time.Month, day, hour, minute, second int) time.Time {
	at := time.Date(2000, month, day, hour, minute, second, 0, time.FixedZone("", 8*3600))
	time.Sleep(time.Until(at))
	return at
}
