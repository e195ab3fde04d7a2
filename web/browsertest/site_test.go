package browsertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "embed"

	"captchagate/config"
	"captchagate/gateway"
	"captchagate/policy"
	"captchagate/simulator"
	"captchagate/upstream"
	"captchagate/web"
)

// loadTimeout of all tests passes only when a test lets it.
const loadTimeout = time.Minute

// A site is a shop, its backend and what stands behind it: the real gateway and
// a simulated Captcha API. Shop and gateway share an origin.
type site struct {
	t        *testing.T
	sim      *simulator.Simulator
	gateway  *gateway.Gateway
	client   *web.Client
	shop     *httptest.Server
	simulate string // origin of the simulator

	away atomic.Bool // the browser cannot reach the gateway's endpoints

	mu         sync.Mutex
	logins     []login
	events     []string // bodies of POST /v1/client-events
	violations []string // of the Content-Security-Policy
}

// A login is what the backend received, and what the gateway then decided.
type login struct {
	Field, Ticket, Randstr, User string
	decision
}

type decision struct {
	Decision  string          `json:"decision"`
	Reason    string          `json:"reason"`
	Assurance string          `json:"assurance"`
	Mode      string          `json:"mode"`
	Cause     string          `json:"cause"`
	Attempts  int             `json:"attempts"`
	Challenge json.RawMessage `json:"challenge,omitempty"`
}

func (d decision) String() string {
	return strings.Join([]string{d.Decision, d.Reason, d.Mode, d.Cause}, " ")
}

// openSite starts all of it; change may alter the gateway's configuration.
func openSite(t *testing.T, change func(*config.Config, *web.Config)) *site {
	t.Helper()
	s := &site{t: t, sim: simulator.New(simulator.Config{Seed: 1, Latency: simulator.NoLatency})}
	s.simulate = "http://" + s.serveSimulator()
	cfg := config.Defaults()
	cfg.Upstream.Endpoint = s.simulate
	cfg.Upstream.SecretID, cfg.Upstream.SecretKey = simulator.DefaultSecretID, simulator.DefaultSecretKey
	cfg.Upstream.Apps = []upstream.App{{CaptchaAppID: simulator.DefaultAppID, AppSecretKey: simulator.DefaultAppSecretKey}}
	cfg.Scenes = map[string]policy.Scene{
		"default": {Degraded: policy.Challenge}, "login": {Degraded: policy.Challenge}, "payment": {Degraded: policy.Deny},
		"comment": {Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 1000, Per: time.Second}, For: time.Hour}, OverBudget: policy.Beyond(policy.Challenge)},
	}
	cfg.Store.Path, cfg.Admin.Demo = filepath.Join(t.TempDir(), "gateway.db"), true
	cfg.ScriptProbe.URL = ""
	cfg.Challenge.Cost = 500
	// On a busy machine the simulated API is slow, and still not away.
	cfg.Upstream.AttemptTimeout, cfg.Upstream.Deadline, cfg.Breaker.Window = patience, patience, 2*patience
	cfg.Breaker.SlowCall, cfg.Breaker.Probe.Timeout = patience, patience
	cfg.Store.Patience = 20 // nor is its disk
	page := web.Config{Script: s.simulate + "/TJCaptcha.js", LoadTimeout: loadTimeout, Reports: 1}
	if change != nil {
		change(&cfg, &page)
	}
	var err error
	if s.client, err = web.New(page); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if s.gateway, err = gateway.New(ctx, cfg, nil, nil, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	wait := s.gateway.Start(ctx)
	s.shop = httptest.NewServer(s.routes())
	t.Cleanup(func() {
		s.shop.CloseClientConnections()
		s.shop.Close()
		cancel()
		wait()
		s.gateway.Close()
	})
	return s
}

func (s *site) serveSimulator() string {
	ctx, cancel := context.WithCancel(context.Background())
	ended, address := make(chan error, 1), make(chan string, 1)
	go func() { ended <- s.sim.Serve(ctx, "127.0.0.1:0", func(a string) { address <- a }) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
	return <-address
}

func (s *site) routes() http.Handler {
	m := http.NewServeMux()
	m.Handle("/client/", s.browserOnly(s.client))
	m.Handle("/v1/", s.browserOnly(s.gateway.Handler()))
	m.Handle("POST /v1/client-events", s.browserOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, string(body))
		w.WriteHeader(http.StatusNoContent)
	})))
	m.HandleFunc("POST /csp", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.violations = append(s.violations, string(body))
	})
	m.HandleFunc("GET /shop", s.page)
	m.HandleFunc("POST /login", s.login)
	m.HandleFunc("POST "+classicPath, s.classic)
	m.HandleFunc("GET /shop.js", text("text/javascript", shopScript))
	m.HandleFunc("GET /shop.css", text("text/css", shopStyle))
	m.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return m
}

// browserOnly cuts connections while the gateway is away for the browser.
// Scripts that are loaded with the page are not concerned.
func (s *site) browserOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.away.Load() && !strings.HasPrefix(r.URL.Path, "/client/captcha") {
			panic(http.ErrAbortHandler)
		}
		h.ServeHTTP(w, r)
	})
}

//go:embed testdata/shop.html
var shopPage string

//go:embed testdata/shop.js
var shopScript string

//go:embed testdata/shop.css
var shopStyle string

// page is the shop's login page. The query says what is different about it:
// lang, plain (no script of the shop's own), block (a policy without Tencent's
// host), csp (more of a policy), classic (the backend is), and data-* attributes of the element.
func (s *site) page(w http.ResponseWriter, r *http.Request) { s.render(w, r, nil) }

func (s *site) render(w http.ResponseWriter, r *http.Request, d *decision) {
	q := r.URL.Query()
	csp := s.client.Policy("")
	if q.Has("block") {
		csp = strings.ReplaceAll(csp, s.simulate, "")
	}
	if q.Has("csp") {
		csp += "; " + q.Get("csp")
	}
	w.Header().Set("Content-Security-Policy", csp+"; report-uri /csp")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	attributes := map[string]string{"data-app-id": "190000001", "data-scene": "login"}
	for name, values := range q {
		if strings.HasPrefix(name, "data-") {
			attributes[name] = values[0]
		}
	}
	view := struct {
		Lang, Answer, Action, Src, Integrity string
		Plain, Deferred                      bool
		Attributes                           template.HTMLAttr
	}{Lang: "en", Action: "/login", Plain: q.Has("plain"), Src: s.client.Path("captcha.js"), Integrity: s.client.Integrity("captcha.js")}
	if q.Has("classic") {
		view.Action, view.Plain = classicPath+"?classic", true
	}
	if q.Has("lang") {
		view.Lang = q.Get("lang")
	}
	if d != nil {
		view.Answer = d.String()
		if len(d.Challenge) > 0 {
			attributes["data-challenge"] = string(d.Challenge)
		}
	}
	var b strings.Builder
	for name, value := range attributes {
		b.WriteString(" " + name + `="` + template.HTMLEscapeString(value) + `"`)
	}
	view.Attributes = template.HTMLAttr(b.String()) // escaped just above
	if err := template.Must(template.New("shop").Parse(shopPage)).Execute(w, view); err != nil {
		s.t.Error(err)
	}
}

// login is the shop's backend: it asks the gateway, and knows its own scene.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l := login{Field: r.PostForm.Get("captcha-response"), Ticket: r.PostForm.Get("ticket"), Randstr: r.PostForm.Get("randstr"), User: r.PostForm.Get("user")}
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	ask := map[string]any{"scene": "login", "user_ip": from.Addr().String()}
	if l.Ticket != "" || l.Field == "" {
		ask["ticket"], ask["randstr"] = l.Ticket, l.Randstr
	} else {
		ask["challenge"] = l.Field
	}
	l.decision = s.verify(ask)
	s.mu.Lock()
	s.logins = append(s.logins, l)
	s.mu.Unlock()
	if r.Header.Get("Accept") != "application/json" {
		s.render(w, r, &l.decision)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(l.decision)
}

func (s *site) verify(ask map[string]any) (d decision) {
	body, _ := json.Marshal(ask)
	r := httptest.NewRequestWithContext(s.t.Context(), "POST", "/v1/verify", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.gateway.Handler().ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Code != http.StatusOK {
		s.t.Errorf("the gateway answered %d %s", w.Code, w.Body)
	}
	return d
}
