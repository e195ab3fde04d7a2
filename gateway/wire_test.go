package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"captchagate/config"
	"captchagate/simulator"
	"captchagate/upstream"
)

// journal keeps a log, which many goroutines write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// RoundTrip carries a call to the simulated API, or gives the scripted answer:
// some answers of the real API no simulator gives.
func (h *house) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() == "127.0.0.1" { // a receiver of alarms
		return http.DefaultTransport.RoundTrip(r)
	}
	if see := h.onWire.Load(); see != nil && r.Method == http.MethodPost {
		(*see)(r)
	}
	body := h.scripted.Load()
	if h.signers.Load() != nil && r.Method == http.MethodPost {
		body = h.signed(r)
	}
	if body == nil || r.Method != http.MethodPost { // the script probe has no body
		return h.sim.RoundTrip(r)
	}
	sent, _ := io.ReadAll(r.Body)
	h.sent.Store(new(string(sent)))
	h.sender.Store(new(r.Header.Get("Authorization")))
	h.language.Store(new(r.Header.Get("X-TC-Language")))
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(*body)),
		ContentLength: int64(len(*body)),
	}, r.Body.Close()
}

// secondApp is another app of the account.
const secondApp uint64 = 190000002

// twoApps adds it.
func twoApps(c *config.Config) {
	c.Upstream.Apps = append(c.Upstream.Apps, upstream.App{CaptchaAppID: secondApp, AppSecretKey: "second-app-secret-key"})
}

// userOf is a new user with a good ticket of the app.
func (h *house) userOf(app uint64, scene string) fields {
	h.t.Helper()
	f := h.user(scene, simulator.TicketValid)
	tickets, err := h.sim.IssueOrder(simulator.Order{AppID: app, Count: 1})
	if err != nil {
		h.t.Fatal(err)
	}
	f["ticket"], f["randstr"], f["captcha_app_id"] = tickets[0].Ticket, tickets[0].Randstr, app
	return f
}

// answered reads the answer to a request about a user: always 200.
func (h *house) answered(name string, w *httptest.ResponseRecorder) answer {
	h.t.Helper()
	a := answer{Status: w.Code, Replay: w.Header().Get("Idempotent-Replay") == "true"}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		h.t.Errorf("%s: got %d %s, want a decision", name, w.Code, w.Body)
	}
	return a
}

// scripts has the Captcha API answer every call with body from now on; "" puts
// the simulator back.
func (h *house) scripts(body string) {
	if body == "" {
		h.scripted.Store(nil)
		return
	}
	h.scripted.Store(&body)
}
