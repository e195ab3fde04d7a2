package admin_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/admin"
	"captchagate/api"
	"captchagate/control"
	"captchagate/reverify"
	"captchagate/sla"
	"captchagate/store/bolt"
	"captchagate/watch"
)

const (
	viewerToken   = "viewer-token-0123456789"
	operatorToken = "operator-token-0123456789"
)

var (
	quiet  = slog.New(slog.DiscardHandler)
	tokens = []admin.Token{
		{Name: "board", Role: admin.Viewer, Token: viewerToken},
		{Name: "ops", Role: admin.Operator, Token: operatorToken},
	}
)

// A door is the operators' API over a real control, without a network.
type door struct {
	http.Handler
	server   *admin.Server
	control  *control.Control
	reload   func(context.Context) error
	mu       sync.Mutex
	status   admin.Status // under mu
	incident watch.Incident
	points   []watch.Point // under mu; nil: a second of nothing
	broken   error         // what reading the reports comes to
	noAlarms error         // what a test of the alarms comes to
	log      bytes.Buffer
	metrics  *prometheus.Registry
}

func build(t *testing.T, tokens []admin.Token) *door {
	t.Helper()
	return buildWith(t, admin.Config{Listen: "127.0.0.1:0", Tokens: tokens})
}

func buildWith(t *testing.T, cfg admin.Config) *door {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "gateway.db"), quiet)
	must(t, err)
	d := &door{metrics: prometheus.NewRegistry(), reload: func(context.Context) error { return nil }, status: admin.Status{Mode: "normal", Script: admin.Script{State: admin.ScriptUp}, Store: admin.Store{Kind: "bolt", Healthy: true}}}
	d.control, err = control.New(t.Context(), s, []string{"login", "comment"}, quiet)
	must(t, err)
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "captchagate_mode 1\n") })
	d.server = admin.New(cfg, d.control, d,
		func(ctx context.Context, _ string) (admin.Reloaded, error) {
			return admin.Reloaded{Summary: "reloaded; changed: scenes"}, d.reload(ctx)
		}, metrics, slog.New(slog.NewTextHandler(&d.log, nil)), d.metrics)
	d.Handler = d.server.Handler()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.control.Run(ctx) })
	running.Go(func() { d.server.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		must(t, s.Close())
	})
	return d
}

// Status is as a gateway would tell it.
func (d *door) Status() admin.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.status
	s.Replicas = slices.Clone(s.Replicas)
	s.Override, s.Drills = d.control.Override(), d.control.Drills()
	return s
}

// setStatus changes how the gateway is.
func (d *door) setStatus(change func(*admin.Status)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.status)
}

// Scenes are those that control knows too.
func (d *door) Scenes() []admin.Scene {
	return []admin.Scene{{Name: "comment", Degraded: "allow", Budget: "200/s in all, for 15m", Over: "challenge"}, {Name: "login", Degraded: "challenge", Over: "deny"}}
}

// Incidents are as many as are asked for.
func (d *door) Incidents(limit int) []watch.Incident {
	all := make([]watch.Incident, limit)
	for i := range all {
		all[i].ID = strconv.Itoa(i)
		if all[i].ID == d.incident.ID {
			all[i] = d.incident
		}
	}
	return all
}

// Incident is the one of that name.
func (d *door) Incident(id string) (watch.Incident, bool) { return d.incident, id == d.incident.ID }

// Series is d.points.
func (d *door) Series(int) (time.Duration, []watch.Point) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.points != nil {
		return time.Second, d.points
	}
	return time.Second, []watch.Point{{At: time.Now(), State: "closed", Mode: "normal"}}
}

// SLA is of any month but a bad one.
func (d *door) SLA(month string) (sla.Report, error) {
	if month == "bad" {
		return sla.Report{}, sla.ErrMonth
	}
	month = cmp.Or(month, "2026-11")
	from, err := time.Parse("2006-01", month)
	return sla.Report{
		Month: month, From: from, To: from.AddDate(0, 1, 0), Target: 0.9999, Availability: 0.99, Requests: 4, Failed: 3,
		Faults: []sla.Fault{{Began: from, Ended: from.Add(time.Minute), Minutes: 1, Requests: 4, Failed: 3, Kinds: map[string]int64{"26": 3}, RequestIDs: []string{}}},
		Claim:  sla.Claim{Verifications: 30, Until: from.AddDate(0, 3, 0)},
	}, err
}

// Reverified is as many reports as are asked for.
// TestAlarms is taken by nobody if d.noAlarms says why.
func (d *door) Alarms() bool { return d.noAlarms == nil }

func (d *door) TestAlarms(context.Context, string) error { return d.noAlarms }

func (d *door) Who(_ context.Context, ip netip.Addr, subject string) ([]admin.Name, error) {
	if subject == "broken" {
		return nil, errors.New("the store is away")
	}
	who := ""
	if ip.IsValid() {
		who = "0a1b2c3d"
	}
	if subject != "" {
		who += "-4e5f6a7b"
	}
	return []admin.Name{{Month: "2026-11", Who: who}}, nil
}

func (d *door) Reverified(_ context.Context, limit int) (reverify.Reports, error) {
	return reverify.Reports{Reports: make([]reverify.Report, limit)}, d.broken
}

// ask sends a request from this machine; header is "Name: value" lines.
func (d *door) ask(t *testing.T, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:50000", "127.0.0.1:8081"
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Host":
			r.Host = value
		case "Peer":
			r.RemoteAddr = value
		default:
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func bearer(token string) string { return "Authorization: Bearer " + token }

func TestServer_SaysWhatItDoesNotHave(t *testing.T) {
	d := build(t, nil)
	for _, row := range []struct {
		method, path string
		want         int
		allow        string
	}{
		{"GET", "/nothing", 404, ""},
		{"GET", "/admin/v1/status/", 404, ""},
		{"DELETE", "/admin/v1/mode", 405, "PUT"},
		{"GET", "/admin/v1/reload", 405, "POST"},
		{"POST", "/admin/v1/audit", 405, "GET, HEAD"},
	} {
		w := d.ask(t, row.method, row.path, "")
		wantProblem(t, w, row.want)
		if got := w.Header().Get("Allow"); got != row.allow {
			t.Errorf("%s %s: Allow is %q, want %q", row.method, row.path, got, row.allow)
		}
	}
}

func TestStatus_HasEveryFieldOfTheContract(t *testing.T) {
	d := build(t, nil)
	var got map[string]any
	must(t, json.Unmarshal(d.ask(t, "GET", "/admin/v1/status", "").Body.Bytes(), &got))
	want := map[string][]string{
		"mode": nil, "override": nil, "drills": nil, "fleet": nil, "replicas": nil, "version": nil,
		"breaker":  {"state", "since", "evidence", "requests", "failures", "slow", "consecutive_failures", "disbelieved", "next_probe_at", "transitions"},
		"account":  {"state", "since", "code"},
		"upstream": {"in_flight", "p50_ms", "p99_ms", "addresses"},
		"store":    {"kind", "healthy"},
	}
	for name, inner := range want {
		value, ok := got[name]
		if !ok {
			t.Errorf("%s is missing", name)
		}
		for _, field := range inner {
			if _, ok := value.(map[string]any)[field]; !ok {
				t.Errorf("%s.%s is missing", name, field)
			}
		}
	}
	for _, name := range []string{"drills", "replicas"} {
		if list, ok := got[name].([]any); !ok || len(list) != 0 {
			t.Errorf("%s is %v, want an empty list", name, got[name])
		}
	}
	if got["override"] != nil {
		t.Errorf("override is %v, want null", got["override"])
	}
}

func TestReload_ReloadsOrSaysWhyNot(t *testing.T) {
	d := build(t, tokens)
	if w := d.ask(t, "POST", "/admin/v1/reload", "", bearer(operatorToken)); w.Code != 200 || !strings.Contains(w.Body.String(), `"mode":"normal"`) || !strings.Contains(w.Body.String(), `"reload":"reloaded; changed: scenes"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	d.reload = func(context.Context) error { return errors.New("gateway.yaml:3: listen: is wrong") }
	w := d.ask(t, "POST", "/admin/v1/reload", "", bearer(operatorToken))
	if p := wantProblem(t, w, 422); !strings.Contains(p.Detail, "gateway.yaml:3: listen: is wrong") {
		t.Errorf("the detail is %q", p.Detail)
	}

	bare := admin.New(admin.Config{}, d.control, d, nil, http.NotFoundHandler(), quiet, prometheus.NewRegistry()).Handler()
	r := httptest.NewRequest("POST", "http://127.0.0.1/admin/v1/reload", nil)
	r.RemoteAddr = "127.0.0.1:1"
	recorder := httptest.NewRecorder()
	bare.ServeHTTP(recorder, r)
	wantProblem(t, recorder, 501)
}

func TestViews_ShowAsManyAsAreAskedFor(t *testing.T) {
	d := build(t, tokens)
	for query, want := range map[string]int{"": 100, "?limit=1": 1, "?limit=1000": 1000} {
		var incidents struct{ Incidents []watch.Incident }
		w := d.ask(t, "GET", "/admin/v1/incidents"+query, "", bearer(viewerToken))
		if err := json.Unmarshal(w.Body.Bytes(), &incidents); err != nil || w.Code != 200 || len(incidents.Incidents) != want {
			t.Errorf("%q: status %d, %d incidents (error %v), want %d", query, w.Code, len(incidents.Incidents), err, want)
		}
		var found reverify.Reports
		w = d.ask(t, "GET", "/admin/v1/reverified"+query, "", bearer(viewerToken))
		if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil || w.Code != 200 || len(found.Reports) != want {
			t.Errorf("%q: status %d, %d reports (error %v), want %d", query, w.Code, len(found.Reports), err, want)
		}
	}
	for _, path := range []string{"/admin/v1/incidents", "/admin/v1/reverified"} {
		for _, query := range []string{"?limit=0", "?limit=1001", "?limit=many"} {
			wantProblem(t, d.ask(t, "GET", path+query, "", bearer(viewerToken)), 400)
		}
	}
	d.broken = errors.New("the disk of 10.1.2.3 is away")
	w := d.ask(t, "GET", "/admin/v1/reverified", "", bearer(viewerToken))
	if p := wantProblem(t, w, 503); strings.Contains(p.Detail, "10.1.2.3") || !strings.Contains(d.log.String(), "10.1.2.3") {
		t.Errorf("the detail is %q, the log %s", p.Detail, d.log.String())
	}
}

func TestServer_APanicIsAProblemAndNoSecretIsLogged(t *testing.T) {
	d := build(t, tokens)
	d.reload = func(context.Context) error { panic("secret-of-somebody") }
	w := d.ask(t, "POST", "/admin/v1/reload", "", bearer(operatorToken))
	wantProblem(t, w, 500)
	log := d.log.String()
	if !strings.Contains(log, "/admin/v1/reload") {
		t.Errorf("the log does not name the address: %s", log)
	}
	for _, secret := range []string{"secret-of-somebody", operatorToken} {
		if strings.Contains(log, secret) || strings.Contains(w.Body.String(), secret) {
			t.Errorf("%q got out", secret)
		}
	}
}

func TestServer_BoundsARequestInTime(t *testing.T) {
	d := build(t, nil)
	var left time.Duration
	d.reload = func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return nil
	}
	d.ask(t, "POST", "/admin/v1/reload", "")
	if left <= 0 || left > 10*time.Second {
		t.Errorf("a request has %v", left)
	}
}

// wantProblem checks that w is a whole problem of that status.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("status %d, no problem: %s", w.Code, w.Body)
	}
	if w.Code != status || p.Status != status || p.Title != http.StatusText(status) || p.Type == "" || p.Detail == "" {
		t.Errorf("status %d, want %d, problem %+v", w.Code, status, p)
	}
	if kind := w.Header().Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("the content type is %q", kind)
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The service levels come in the contract's shape, and what is no month is told with the
// form of one. O2
func TestSLA_AnswersInItsShape(t *testing.T) {
	d := build(t, tokens)
	for query, want := range map[string]int{"": 200, "?month=2026-10": 200, "?month=bad": 400, "?month=": 400} {
		w := d.ask(t, "GET", "/admin/v1/sla"+query, "", bearer(viewerToken))
		if w.Code != want || want == 400 && !strings.Contains(w.Body.String(), "such as 2026-11") || want == 200 && !strings.Contains(w.Body.String(), `"claim":{"verifications":30`) {
			t.Errorf("%q: status %d: %s", query, w.Code, w.Body)
		}
	}
	if w := d.ask(t, "GET", "/admin/v1/sla", ""); w.Code != 401 {
		t.Errorf("without a token: status %d", w.Code)
	}
}
