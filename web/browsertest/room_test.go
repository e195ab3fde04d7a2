package browsertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/config"
	"captchagate/gateway"
	"captchagate/policy"
	"captchagate/simulator"
	"captchagate/store"
	"captchagate/store/redis/redistest"
	"captchagate/upstream"
)

const (
	viewerToken   = "viewer-token-0123456789"
	operatorToken = "operator-token-0123456789"
)

// A house is a gateway with its operators' listener, before a simulated API of its own,
// which can be started again, and users who keep coming.
type house struct {
	t      *testing.T
	cfg    config.Config
	sim    *simulator.Simulator
	listen string // of the gateway
	room   string // URL of the operators' listener

	stop func()
	few  atomic.Bool // only two users a second come
}

// openHouse opens one; change may alter its configuration.
func openHouse(t *testing.T, change func(*config.Config)) *house {
	t.Helper()
	s := &site{t: t, sim: simulator.New(simulator.Config{Seed: 1, Latency: 5 * time.Millisecond})}
	h := &house{t: t, sim: s.sim, cfg: config.Defaults()}
	cfg := &h.cfg
	cfg.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Admin.Tokens = []admin.Token{{Name: "board", Role: admin.Viewer, Token: viewerToken}, {Name: "olga", Role: admin.Operator, Token: operatorToken}}
	cfg.Upstream.Endpoint = "http://" + s.serveSimulator()
	cfg.Upstream.SecretID, cfg.Upstream.SecretKey = simulator.DefaultSecretID, simulator.DefaultSecretKey
	cfg.Upstream.Apps = []upstream.App{{CaptchaAppID: simulator.DefaultAppID, AppSecretKey: simulator.DefaultAppSecretKey}}
	cfg.Scenes = map[string]policy.Scene{
		"default": {Degraded: policy.Challenge}, "login": {Degraded: policy.Challenge}, "payment": {Degraded: policy.Deny},
		"comment": {Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 1000, Per: time.Second}, For: 15 * time.Minute}, OverBudget: policy.Beyond(policy.Challenge)},
	}
	cfg.Store.Path, cfg.ScriptProbe.URL = filepath.Join(t.TempDir(), "gateway.db"), ""
	// On a busy machine the simulated API is slow, and still not away.
	cfg.Upstream.AttemptTimeout, cfg.Upstream.Deadline, cfg.Breaker.Window = patience, patience, 2*patience
	cfg.Breaker.SlowCall, cfg.Breaker.Probe.Timeout = patience, patience
	cfg.Breaker.Open.Max = 2 * time.Second // however long an outage takes
	cfg.Store.Patience = 20
	if change != nil {
		change(cfg)
	}
	h.starts()
	t.Cleanup(func() { h.stop() })
	return h
}

// openFleet opens houses that share a Redis.
func openFleet(t *testing.T, n int) (redis *redistest.Server, houses []*house) {
	t.Helper()
	redis = redistest.Start(t)
	for range n {
		houses = append(houses, openHouse(t, func(c *config.Config) {
			c.Store.Redis, c.Store.Secret = store.Redis{redis.URL()}, "the secret of one fleet"
			c.Store.Patience = 10 // two seconds, after which Redis is seen to be away
			c.Challenge.Secret = []string{"the challenge's secret, of one fleet"}
		}))
	}
	return redis, houses
}

// starts runs the gateway where it ran before, or anywhere.
func (h *house) starts() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g, err := gateway.New(ctx, h.cfg, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- g.Run(ctx, func(listen, room string) {
			h.cfg.Listen, h.cfg.Admin.Listen = listen, room
			h.listen, h.room = listen, "http://"+room
			close(ready)
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		h.t.Fatal(err)
	}
	coming, leave := context.WithCancel(ctx)
	var users sync.WaitGroup
	users.Go(func() { h.users(coming) })
	h.stop = sync.OnceFunc(func() {
		leave()
		users.Wait()
		cancel()
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
		g.Close()
	})
}

// users come, forty a second, one in ten of them with a bad ticket.
func (h *house) users(ctx context.Context) {
	every := time.NewTicker(25 * time.Millisecond)
	defer every.Stop()
	var waiting sync.WaitGroup
	defer waiting.Wait()
	scenes := []string{"login", "comment", "login", "payment"}
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if h.few.Load() && n%20 != 0 {
			continue
		}
		kind := "valid"
		if n%10 == 9 {
			kind = "forged"
		}
		tickets, err := h.sim.Issue(kind, 1)
		if err != nil {
			h.t.Error(err)
			return
		}
		body, _ := json.Marshal(map[string]any{"ticket": tickets[0].Ticket, "randstr": tickets[0].Randstr, "user_ip": fmt.Sprintf("198.%d.%d.7", n%100, n%256), "scene": scenes[n%len(scenes)]})
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.listen+"/v1/verify", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		waiting.Go(func() {
			if answer, err := http.DefaultClient.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body) // the connection is used again
				_ = answer.Body.Close()
			}
		})
	}
}

// breaks has the simulated API fail.
func (h *house) breaks(kind simulator.Kind) {
	h.t.Helper()
	h.answers(h.t, simulator.Fault{Kind: kind})
}

// answers has the simulated API answer with a fault.
func (h *house) answers(t *testing.T, f simulator.Fault) {
	t.Helper()
	if err := h.sim.SetFault(f); err != nil {
		t.Fatal(err)
	}
}

// enters opens the dashboard with a token.
func (p *page) enters(h *house, token string) {
	p.t.Helper()
	p.visit(h.room + "/")
	p.types("#token", token)
	p.clicks(`document.querySelector("form button")`)
	p.waits(`document.querySelector("#head")`)
}

// goesOn has the tab go on in another test where it is.
func (p *page) goesOn(t *testing.T) {
	p.t, p.site.t = t, t
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = nil
}

// types fills in a field.
func (p *page) types(field, text string) {
	p.t.Helper()
	p.waits(`document.querySelector("` + field + `")`)
	p.do(fmt.Sprintf(`{ const f = document.querySelector(%q); f.focus(); f.value = %q; f.dispatchEvent(new Event("input", { bubbles: true })); }`, field, text))
}

// tells waits until the headline has some words.
func (p *page) tells(words ...string) {
	p.t.Helper()
	for _, w := range words {
		p.waits(fmt.Sprintf(`document.querySelector("#head")?.textContent.includes(%q)`, w))
	}
}

// stranger lists what was loaded from another host.
func (p *page) stranger() string {
	p.t.Helper()
	return eval[string](p, `performance.getEntriesByType("resource").map((e) => e.name).filter((n) => new URL(n).origin !== location.origin).join(" ")`)
}

// force fills in the switch and confirms. for is as the form sends it.
func (p *page) force(mode, span, reason string) {
	p.t.Helper()
	p.clicks(`document.querySelector("#switch [value=` + mode + `]")`)
	p.do(fmt.Sprintf(`{ const s = document.querySelector("#switch [name=for]"); s.append(new Option(%q, %q, true, true)); }`, span, span))
	p.types("#switch [name=reason]", reason)
	p.clicks(`document.querySelector("#switch button")`)
	p.clicks(`[...document.querySelectorAll("button")].find((b) => b.textContent === "Yes, do it")`)
	p.waits(`document.querySelector("#head")`)
}

// fits looks whether what is asked for first is there without scrolling.
func (p *page) fits(state string) {
	p.t.Helper()
	for part, rest := range map[string]int{"#head": 0, "#instances": 0, "#budgets": 0, "#switch": 0, "#charts": 0, "#incidents .rows": 20, "#audit .rows": 20} {
		if bottom := eval[float64](p, fmt.Sprintf(`((r) => Math.min(r.bottom, r.top + (%d || r.height)))(document.querySelector(%q).getBoundingClientRect())`, rest, part)); bottom > 800 {
			p.t.Errorf("%s: %s ends at %.0f pixels of 800", state, part, bottom)
		}
	}
}

// shown is a state of the dashboard as it is looked at: by axe, and if -shots is given in
// pictures.
func (p *page) shown(axe, state string) {
	p.t.Helper()
	for _, look := range []struct {
		width  int64
		scheme string
		axe    bool
	}{{1280, "light", true}, {1280, "dark", false}, {390, "light", false}, {390, "dark", true}} {
		if !look.axe && *shots == "" {
			continue
		}
		p.looks(look.width, look.scheme)
		p.shoots(fmt.Sprintf("%s-%d-%s", state, look.width, look.scheme))
		if look.width == 1280 {
			p.fits(state)
		}
		if eval[bool](p, `document.documentElement.scrollWidth > innerWidth`) {
			p.t.Errorf("%s: wider than %d pixels", state, look.width)
		}
		if look.axe {
			p.accessible(axe)
		}
	}
	p.looks(1280, "light")
	if found := p.stranger(); found != "" {
		p.t.Errorf("%s: it loads from another host: %s", state, found)
	}
	if text := eval[string](p, `document.documentElement.outerHTML`); strings.Contains(text, operatorToken) || strings.Contains(text, viewerToken) || strings.Contains(text, simulator.DefaultSecretKey) {
		p.t.Errorf("%s: the page holds a secret", state)
	}
}
