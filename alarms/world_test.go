package alarms_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/alarms"
	"captchagate/store/bolt"
)

const secret = "a secret of the alarms"

var signed = alarms.Config{Webhook: "https://ops.example/alarms?key=in-the-query", Secret: secret, Format: alarms.JSON}

// A hook is the receiver.
type hook struct {
	mu     sync.Mutex
	status int           // 0: 200
	body   string        // that it answers
	err    error         // instead of an answer
	hangs  time.Duration // before it answers
	got    []delivery
}

// A delivery is a request of the receiver's.
type delivery struct {
	at     time.Time
	url    string
	header http.Header
	body   string
	taken  bool
}

func (h *hook) RoundTrip(r *http.Request) (*http.Response, error) {
	text, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	d := delivery{at: time.Now(), url: r.URL.String(), header: r.Header.Clone(), body: string(text)}
	status, body, err, hangs := h.status, h.body, h.err, h.hangs
	d.taken = err == nil && status < 300 && !strings.Contains(body, "4") && hangs < 10*time.Second
	h.got = append(h.got, d)
	h.mu.Unlock()
	select {
	case <-time.After(hangs):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: max(status, 200), Header: http.Header{"Location": {"https://elsewhere.example/"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (h *hook) is(status int, body string, err error, hangs time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status, h.body, h.err, h.hangs = status, body, err, hangs
}

// fine takes everything from now on.
func (h *hook) fine() { h.is(200, "", nil, 0) }

func (h *hook) deliveries() []delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]delivery(nil), h.got...)
}

// taken are the bodies that the receiver took.
func (h *hook) taken() (bodies []string) {
	for _, d := range h.deliveries() {
		if d.taken {
			bodies = append(bodies, d.body)
		}
	}
	return bodies
}

// A post is one instance over a store of its own.
type post struct {
	t     *testing.T
	cfg   alarms.Config
	store alarms.Store
	hook  *hook
	fleet alarms.Fleet
	name  string
	logs  bytes.Buffer

	*alarms.Alarms

	reg  *prometheus.Registry
	stop func()
}

func inPost(t *testing.T, cfg alarms.Config, story func(p *post)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t, cfg: cfg, hook: &hook{}, name: "web1"}
		p.opens()
		story(p)
		p.stop()
	})
}

// opens opens a store, and starts.
func (p *post) opens() {
	p.t.Helper()
	b, err := bolt.Open(filepath.Join(p.t.TempDir(), "gateway.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = b.Close() })
	p.store = b
	p.start()
}

// start is a new process over the store.
func (p *post) start() {
	p.t.Helper()
	p.reg = prometheus.NewRegistry()
	from := alarms.From{Instance: func() string { return p.name }, URL: "https://gateway.example/"}
	a, err := alarms.New(p.t.Context(), p.cfg, from, p.store, p.hook, nil, slog.New(slog.NewTextHandler(&p.logs, nil)), p.reg)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.fleet != nil {
		a.Share(p.fleet)
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	p.Alarms = a
	p.stop = func() { cancel(); running.Wait() }
}

// counts are the series of the metric that are not 0.
func (p *post) counts() map[string]float64 {
	p.t.Helper()
	families, err := p.reg.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	all := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		if n := m.GetCounter().GetValue(); n > 0 {
			all[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = n
		}
	}
	return all
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// troubles are the ways in which a receiver takes nothing.
var troubles = map[string]func(h *hook){
	"away":                   func(h *hook) { h.is(0, "", errors.New("connection refused"), 0) },
	"too slow":               func(h *hook) { h.is(200, "", nil, time.Minute) },
	"500":                    func(h *hook) { h.is(500, "", nil, 0) },
	"a redirect":             func(h *hook) { h.is(307, "", nil, 0) },
	"an error in its answer": func(h *hook) { h.is(200, `{"errcode":45009,"errmsg":"api freq out of limit"}`, nil, 0) },
}

func wantCounts(t *testing.T, p *post, want string) {
	t.Helper()
	if got := fmt.Sprint(p.counts()); got != want {
		t.Errorf("counts %s, want %s", got, want)
	}
}
