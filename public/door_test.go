package public_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/api"
	"captchagate/api/apitest"
	"captchagate/captcha"
	"captchagate/policy"
	"captchagate/public"
	"captchagate/watch"
)

// door is a server whose rooms answer at once. Every answer is held against
// api/openapi.yaml.
type door struct {
	t       *testing.T
	bare    http.Handler
	handler http.Handler // the same, held against the contract
	mu      sync.Mutex   // of asked and last
	asked   int          // how often somebody was decided about
	last    policy.Request
	told    int        // of how many failures pages told
	visitor netip.Addr // of whom last
	vouched int        // requests whose caller showed a key
	log     bytes.Buffer
}

// atDoor tells a story at a door of four scenes and one app.
func atDoor(t *testing.T, change func(*public.Config), story func(d *door)) {
	t.Helper()
	cfg := public.Config{Apps: []uint64{190000001}}
	if change != nil {
		change(&cfg)
	}
	d := &door{t: t}
	d.bare = newServer(cfg, d).Handler(http.NotFoundHandler(), nil)
	d.handler = apitest.Handler(t, d.bare)
	story(d)
}

func newServer(cfg public.Config, d *door) *public.Server {
	return public.New(cfg, decider{d}, peace{}, nil, uncounted{}, reports{d}, d.vouch, slog.New(slog.NewTextHandler(&d.log, nil)), prometheus.NewRegistry())
}

func (d *door) vouch(context.Context) { d.vouched++ }

type (
	decider   struct{ d *door } // denies everybody
	peace     struct{}          // in every scene
	uncounted struct{}
	reports   struct{ d *door }
)

func (r decider) Decide(_ context.Context, q policy.Request) policy.Decision {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	r.d.asked++
	r.d.last = q
	return policy.Decision{
		Action: policy.Deny, Reason: policy.ReasonRejected, Assurance: policy.AssuranceNone, Mode: policy.ModeNormal,
		ID: "01980000-0000-7000-8000-000000000000",
	}
}

func (decider) Repeat(context.Context, string, policy.Decision) {}

func (decider) Scene(name string) (policy.Scene, bool) {
	return policy.Scene{Degraded: policy.Challenge}, slices.Contains([]string{"default", "login", "comment", "payment"}, name)
}

func (decider) Scenes() []string { return []string{"comment", "default", "login", "payment"} }

func (peace) SceneMode(string) policy.Mode { return policy.ModeNormal }
func (peace) Cause(string) captcha.Cause   { return "" }
func (peace) Observe()                     {}

func (uncounted) CountAnswer(watch.Answer) {}

func (r reports) Record(visitor netip.Addr, events []watch.Event) {
	r.d.told += len(events)
	r.d.visitor = visitor
}

// fields are a request's body.
type fields map[string]any

// left marks a field that a request leaves out.
var left = struct{}{}

// request is a well-formed body, changed.
func request(change fields) string {
	f := fields{"ticket": "tr03ticket", "randstr": "@abc", "user_ip": "192.0.2.1", "scene": "login"}
	maps.Copy(f, change)
	maps.DeleteFunc(f, func(_ string, v any) bool { return v == left })
	body, _ := json.Marshal(f)
	return string(body)
}

// put writes a value in a JSON text as it stands, right or wrong.
func put(field, value string) string {
	return strings.Replace(request(fields{field: left}), "{", `{"`+field+`":`+value+`,`, 1)
}

func (d *door) post(body string, header ...string) *httptest.ResponseRecorder {
	return d.send("POST", "/v1/verify", body, append(header, "Content-Type", "application/json")...)
}

func (d *door) send(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.bare.ServeHTTP(w, r)
	if w.Code != http.StatusNoContent {
		apitest.Check(d.t, r, []byte(body), w.Code, w.Header(), w.Body.Bytes())
	}
	return w
}

// bareGet asks for what the contract does not list.
func (d *door) bareGet(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.bare.ServeHTTP(w, httptest.NewRequestWithContext(d.t.Context(), "GET", path, nil))
	return w
}

// deliver hands a request in, which is not a usual one.
func (d *door) deliver(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w
}

// refuses checks that an answer is a problem of that status which names these
// fields and no other.
func (d *door) refuses(name string, w *httptest.ResponseRecorder, status int, named ...string) {
	d.t.Helper()
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status {
		d.t.Errorf("%s: got %d %s (%v), want a problem of status %d", name, w.Code, w.Body, err, status)
		return
	}
	var got []string
	for _, mistake := range p.Errors {
		got = append(got, mistake.Field)
	}
	slices.Sort(got)
	slices.Sort(named)
	if !slices.Equal(got, named) {
		d.t.Errorf("%s: names %q, want %q", name, got, named)
	}
}

// untouched checks that nobody was decided about.
func (d *door) untouched(name string) {
	d.t.Helper()
	if d.asked != 0 {
		d.t.Errorf("%s: %d decisions were asked for", name, d.asked)
		d.asked = 0
	}
}
