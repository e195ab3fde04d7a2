package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/admin"
	"captchagate/api/apitest"
	"captchagate/config"
	"captchagate/control"
	"captchagate/gateway"
	"captchagate/policy"
	"captchagate/simulator"
	"captchagate/tc3"
	"captchagate/upstream"
)

// house is a whole gateway over a simulated Captcha API, in one process and in
// virtual time. Every answer is held against api/openapi.yaml.
type house struct {
	t         *testing.T
	sim       *simulator.Simulator
	g         *gateway.Gateway
	cfg       config.Config // that it was started with
	public    http.Handler
	operators http.Handler
	users     int
	tickets   []string // of users, and their randstrs
	log       journal
	calls     sync.WaitGroup // that go on beside the story
	follow    []func()       // the switch

	entered func(control.Entry) // is told of the audit; nil = nobody

	scripted atomic.Pointer[string]              // what the API answers instead of the simulator
	sent     atomic.Pointer[string]              // the body of the last call that was answered so
	sender   atomic.Pointer[string]              // its Authorization
	language atomic.Pointer[string]              // its X-TC-Language
	reload   func() (config.Config, error)       // what the configuration file holds by now
	onWire   atomic.Pointer[func(*http.Request)] // sees each call before the API does; nil = nobody
	signers  atomic.Pointer[tc3.Checker]         // accounts whose calls the API passes, whatever the ticket; nil = it is the simulator
}

// testConfig is the contract's defaults with a scene for each action.
func testConfig(folder string) config.Config {
	c := config.Defaults()
	c.Upstream.Endpoint = "http://captcha.test"
	c.Upstream.SecretID, c.Upstream.SecretKey = simulator.DefaultSecretID, simulator.DefaultSecretKey
	c.Upstream.Apps = []upstream.App{{CaptchaAppID: simulator.DefaultAppID, AppSecretKey: simulator.DefaultAppSecretKey}}
	c.Scenes = map[string]policy.Scene{
		"default": {Degraded: policy.Challenge},
		"login":   {Degraded: policy.Challenge},
		"comment": {Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 1000, Per: time.Second}, For: 15 * time.Minute}},
		"payment": {Degraded: policy.Deny},
	}
	c.Store.Path, c.Store.Patience, c.Admin.Demo = filepath.Join(folder, "gateway.db"), 20, true
	return c
}

// inHouse runs a story in virtual time.
func inHouse(t *testing.T, change func(*config.Config), story func(h *house)) {
	t.Helper()
	inHouseWith(t, change, nil, story)
}

// inHouseWith is inHouse with some who follow the switch.
func inHouseWith(t *testing.T, change func(*config.Config), follow []func(), story func(h *house)) {
	t.Helper()
	cfg := testConfig(t.TempDir())
	if change != nil {
		change(&cfg)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(today)) // a bubble begins in the year 2000
		h := &house{t: t, sim: simulator.New(accountOf(cfg)), follow: follow}
		h.open(cfg, story)
	})
}

// long leaves a story of many virtual minutes to runs without the race detector, under
// which it takes five times as long; .ci/run has both.
func long(t *testing.T) {
	t.Helper()
	if build, ok := debug.ReadBuildInfo(); ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("it is played without the race detector only")
	}
}

// today is when stories begin: disaster tickets hold times of ten digits.
var today = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// accountOf is the API of cfg's account and apps.
func accountOf(cfg config.Config) simulator.Config {
	c := simulator.Config{Seed: 1, SecretID: cfg.Upstream.SecretID, SecretKey: cfg.Upstream.SecretKey, Apps: map[uint64]string{}}
	for _, app := range cfg.Upstream.Apps {
		c.Apps[app.CaptchaAppID] = app.AppSecretKey
	}
	return c
}

func (h *house) open(cfg config.Config, story func(h *house)) {
	log := slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.reload = func() (config.Config, error) { return config.Config{}, errors.New("no file in this test") }
	ctx, cancel := context.WithCancel(h.t.Context())
	g, err := gateway.New(ctx, cfg, h, func() (config.Config, error) { return h.reload() }, log)
	if err != nil {
		h.t.Fatal(err)
	}
	h.g, h.cfg = g, cfg
	h.public, h.operators = apitest.Handler(h.t, g.Handler()), apitest.Handler(h.t, g.AdminHandler())
	for _, f := range h.follow {
		g.Follow(f)
	}
	if h.entered != nil {
		g.FollowAudit(h.entered)
	}
	wait := g.Start(ctx)
	defer func() { // also where a story ends early
		h.sim.ClearFault()
		h.calls.Wait()
		cancel()
		wait()
		g.Close()
	}()
	story(h)
}

// answer is what POST /v1/verify said.
type answer struct {
	Status     int             `json:"-"`
	Took       time.Duration   `json:"-"`
	Replay     bool            `json:"-"`
	Decision   string          `json:"decision"`
	Reason     string          `json:"reason"`
	Assurance  string          `json:"assurance"`
	Mode       string          `json:"mode"`
	Cause      string          `json:"cause"`
	DegradedBy string          `json:"degraded_by"`
	Captcha    *captchaAnswer  `json:"captcha"`
	Attempts   int             `json:"attempts"`
	ID         string          `json:"decision_id"`
	Challenge  json.RawMessage `json:"challenge"`
}

type captchaAnswer struct{ Code int }

// String is the answer as the contract's table of situations has it.
func (a answer) String() string {
	cause := a.Cause
	if cause == "" {
		cause = "-"
	}
	return fmt.Sprintf("%s %s %s %s", a.Decision, a.Reason, a.Mode, cause)
}

// fields are a request's body.
type fields map[string]any

// ask sends a request to POST /v1/verify.
func (h *house) ask(f fields, header ...string) answer {
	h.t.Helper()
	body, _ := json.Marshal(f)
	w, took := h.send(h.public, "POST", "/v1/verify", string(body), append(header, "Content-Type", "application/json")...)
	a := answer{Status: w.Code, Took: took, Replay: w.Header().Get("Idempotent-Replay") == "true"}
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			h.t.Fatalf("%v: %s", err, w.Body)
		}
	}
	return a
}

func (h *house) send(to http.Handler, method, path, body string, header ...string) (*httptest.ResponseRecorder, time.Duration) {
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return h.deliver(to, r)
}

// deliver hands a request in, and says how long its answer took.
func (h *house) deliver(to http.Handler, r *http.Request) (*httptest.ResponseRecorder, time.Duration) {
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "127.0.0.1:8081"
	w, start := httptest.NewRecorder(), time.Now()
	to.ServeHTTP(w, r)
	return w, time.Since(start)
}

// user is a new user's question about a scene, with a ticket of the kind.
func (h *house) user(scene, kind string) fields {
	h.t.Helper()
	tickets, err := h.sim.Issue(kind, 1)
	if err != nil {
		h.t.Fatal(err)
	}
	h.users++
	h.tickets = append(h.tickets, tickets[0].Ticket, tickets[0].Randstr)
	return fields{
		"ticket": tickets[0].Ticket, "randstr": tickets[0].Randstr, "scene": scene,
		"user_ip": fmt.Sprintf("10.%d.%d.1", h.users/250%250, h.users%250),
	}
}

// crowd sends rate users a second to a scene for d, all with good tickets.
func (h *house) crowd(scene string, rate int, d time.Duration) []answer {
	h.t.Helper()
	answers := make([]answer, int(d.Seconds()*float64(rate)))
	var wg sync.WaitGroup
	start := time.Now()
	for i := range answers {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		f := h.user(scene, simulator.TicketValid)
		wg.Go(func() { answers[i] = h.ask(f) })
	}
	time.Sleep(time.Until(start.Add(d)))
	wg.Wait()
	return answers
}

// count counts answers by what they say.
func count(answers []answer) map[string]int {
	n := map[string]int{}
	for _, a := range answers {
		n[a.String()]++
	}
	return n
}

func (h *house) breaks(f simulator.Fault) {
	h.t.Helper()
	if err := h.sim.SetFault(f); err != nil {
		h.t.Fatal(err)
	}
}

// status asks the operators' API.
func (h *house) status() admin.Status {
	h.t.Helper()
	w, _ := h.send(h.operators, "GET", "/admin/v1/status", "")
	var s admin.Status
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		h.t.Fatalf("%v: %s", err, w.Body)
	}
	return s
}

// throws sets the switch.
func (h *house) throws(body string) {
	h.t.Helper()
	if w, _ := h.send(h.operators, "PUT", "/admin/v1/mode", body, "Content-Type", "application/json"); w.Code != http.StatusOK {
		h.t.Fatalf("%d %s", w.Code, w.Body)
	}
}

// awaits waits until the circuit is in a state, and returns how long that took.
func (h *house) awaits(state string, most time.Duration) time.Duration {
	h.t.Helper()
	start := time.Now()
	for h.status().Breaker.State != state {
		if time.Since(start) > most {
			h.t.Fatalf("circuit is %s after %v, want %s", h.status().Breaker.State, most, state)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(start)
}
