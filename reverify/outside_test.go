package reverify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/reverify"
)

// api is a Captcha API that knows each ticket once.
type api struct {
	mu    sync.Mutex
	codes map[string]int64 // by ticket; else 1
	used  map[string]bool
	fails func(ctx context.Context, t captcha.Ticket) *captcha.Failure // before it looks
	asked []question
	bad   []captcha.Ticket
	now   int // on their way
	most  int
}

type question struct {
	ticket string
	at     time.Time
	left   time.Duration // until the caller gives up
}

func newAPI() *api { return &api{codes: map[string]int64{}, used: map[string]bool{}} }

func (a *api) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	end, _ := ctx.Deadline()
	a.mu.Lock()
	a.asked = append(a.asked, question{t.Value, time.Now(), time.Until(end)})
	a.now++
	a.most = max(a.most, a.now)
	fails := a.fails
	a.mu.Unlock()
	defer func() { a.mu.Lock(); a.now--; a.mu.Unlock() }()
	if fails != nil {
		if f := fails(ctx, t); f != nil {
			return captcha.Verdict{}, f
		}
	}
	return a.look(t)
}

func (a *api) look(t captcha.Ticket) (captcha.Verdict, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	code, known := a.codes[t.Value]
	if !known {
		code = captcha.CodeOK
	}
	if a.used[t.Value] {
		code = captcha.CodeReused
	}
	a.used[t.Value] = true
	switch code {
	case captcha.CodeOK:
		return captcha.Verdict{Outcome: captcha.Passed, Answer: &captcha.Answer{Code: 1}}, nil
	case evil:
		return captcha.Verdict{Outcome: captcha.Malicious, Answer: &captcha.Answer{Code: 1, EvilLevel: 100}}, nil
	case invalid:
		return captcha.Verdict{Outcome: captcha.Rejected}, nil
	}
	return captcha.Verdict{Outcome: captcha.Rejected, Answer: &captcha.Answer{Code: code}}, nil
}

// Codes of our own: passed at EvilLevel 100, and a call that the API refuses.
const (
	evil    = -1
	invalid = -2
)

func (a *api) refuted(t captcha.Ticket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bad = append(a.bad, t)
}

func (a *api) fail(f func(ctx context.Context, t captcha.Ticket) *captcha.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fails = f
}

func (a *api) questions() []question {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]question(nil), a.asked...)
}

func failure(k captcha.Kind, unknown bool) *captcha.Failure {
	return &captcha.Failure{Kind: k, Err: errors.New("says the test"), FateUnknown: unknown}
}

// hook is a webhook.
type hook struct {
	mu         sync.Mutex
	status     int // 0 = 204
	err        error
	picky      func(body string) bool // refuses these
	header     http.Header            // of its answers
	got        []delivery
	idleClosed bool // its idle connections were
}

// CloseIdleConnections is called by the client that this is the transport of.
func (h *hook) CloseIdleConnections() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idleClosed = true
}

type delivery struct {
	at     time.Time
	url    string
	method string
	header http.Header
	body   string
	acked  bool
}

func (h *hook) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	status := h.status
	if status == 0 {
		status = http.StatusNoContent
	}
	if h.picky != nil && h.picky(string(body)) {
		status = http.StatusUnprocessableEntity
	}
	h.got = append(h.got, delivery{time.Now(), req.URL.String(), req.Method, req.Header, string(body), h.err == nil && status/100 == 2})
	if h.err != nil {
		return nil, h.err
	}
	return &http.Response{StatusCode: status, Header: h.header.Clone(), Body: io.NopCloser(strings.NewReader("thanks")), Request: req}, nil
}

func (h *hook) is(status int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status, h.err = status, err
}

func (h *hook) deliveries() []delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]delivery(nil), h.got...)
}

// reports returns every report of an acknowledged delivery, and fails where a
// decision is in two, a key has two bodies, or the form is wrong.
func (h *hook) reports(t testing.TB) map[string]reverify.Report {
	t.Helper()
	all := map[string]reverify.Report{}
	keyOf, bodyOf := map[string]string{}, map[string]string{}
	for _, d := range h.deliveries() {
		k := d.header.Get("Idempotency-Key")
		if k == "" || len(k) > 128 || bodyOf[k] != "" && bodyOf[k] != d.body {
			t.Errorf("the key %q is missing, too long, or has two bodies", k)
		}
		bodyOf[k] = d.body
		var body reverify.Reports
		decoder := json.NewDecoder(strings.NewReader(d.body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&body); err != nil || len(body.Reports) == 0 || len(body.Reports) > 500 {
			t.Errorf("a body of %d reports, error %v", len(body.Reports), err)
		}
		for _, r := range body.Reports {
			if before := keyOf[r.DecisionID]; before != "" && before != k {
				t.Errorf("%s is reported under two keys", r.DecisionID)
			}
			keyOf[r.DecisionID] = k
			if d.acked {
				all[r.DecisionID] = r
			}
		}
	}
	return all
}

func wantResults(t *testing.T, got map[string]reverify.Report, want map[string]reverify.Result) {
	t.Helper()
	for ticket, result := range want {
		if r := got["decision-"+ticket]; r.Result != result {
			t.Errorf("%s: result %q, want %q", ticket, r.Result, result)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d decisions are reported, want %d: %v", len(got), len(want), fmt.Sprint(got))
	}
}
