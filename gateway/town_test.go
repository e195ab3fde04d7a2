package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/api/apitest"
	"captchagate/config"
	"captchagate/gateway"
	"captchagate/simulator"
)

// A town is what is around a house: the business's webhook, and an API that
// chokes on one ticket. Its gateway can be restarted over the same store.
type town struct {
	*house
	cfg config.Config
	end func()

	mu       sync.Mutex
	poison   string // the API answers calls about this ticket with a 502
	poisoned int    // calls about it
	broken   bool   // the webhook acknowledges nothing
	hangs    bool   // it answers nothing; set before the gateway starts
	posts    []delivery
}

// A delivery is a call of the webhook.
type delivery struct {
	at     time.Time
	header http.Header
	body   string
	status int
}

// webhook is the business's address for reports.
const webhook, webhookSecret = "http://shop.test/reports?token=t0ken", "a secret of the webhook, long enough"

func withWebhook(c *config.Config) { c.Reverify.Webhook, c.Reverify.Secret = webhook, webhookSecret }

// inTown runs a story in virtual time, in which the gateway may be restarted.
func inTown(t *testing.T, change func(*config.Config), story func(w *town)) {
	t.Helper()
	cfg := testConfig(t.TempDir())
	if change != nil {
		change(&cfg)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(today))
		w := &town{house: &house{t: t, sim: simulator.New(accountOf(cfg))}, cfg: cfg}
		w.starts()
		defer func() {
			w.sim.ClearFault()
			w.end()
		}()
		story(w)
	})
}

// starts opens a gateway over the town's store.
func (w *town) starts() {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.reload = func() (config.Config, error) { return config.Config{}, errors.New("no file in this test") }
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	g, err := gateway.New(ctx, w.cfg, w, func() (config.Config, error) { return w.reload() }, log)
	if err != nil {
		w.t.Fatal(err)
	}
	w.g, w.public, w.operators = g, apitest.Handler(w.t, g.Handler()), apitest.Handler(w.t, g.AdminHandler())
	wait := g.Start(ctx)
	w.end = func() {
		cancel()
		wait()
		g.Close()
	}
}

// restarts ends the gateway and starts the next one after a while.
func (w *town) restarts(after time.Duration) {
	w.t.Helper()
	w.end()
	time.Sleep(after)
	w.starts()
}

// RoundTrip carries what the gateway sends.
func (w *town) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return w.house.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.URL.Host == "shop.test" || r.URL.Host == "ops.test" {
		if w.hangs {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return w.takes(r, string(body)), nil
	}
	w.mu.Lock()
	chokes := w.poison != "" && strings.Contains(string(body), w.poison)
	if chokes {
		w.poisoned++
	}
	w.mu.Unlock()
	if chokes {
		return responds(r, http.StatusBadGateway), nil
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	return w.house.RoundTrip(again)
}

// takes is the webhook.
func (w *town) takes(r *http.Request, body string) *http.Response {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := delivery{time.Now(), r.Header.Clone(), body, http.StatusNoContent}
	if w.broken {
		p.status = http.StatusServiceUnavailable
	}
	w.posts = append(w.posts, p)
	return responds(r, p.status)
}

func responds(r *http.Request, status int) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/html"}}, Body: http.NoBody, Request: r,
	}
}

// breaksWebhook has the webhook acknowledge nothing, or everything again.
func (w *town) breaksWebhook(broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = broken
}

// poisons has the API choke on a ticket.
func (w *town) poisons(ticket string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.poison = ticket
}

// choked is how often it did.
func (w *town) choked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.poisoned
}

// posted are the calls of the webhook so far.
func (w *town) posted() []delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]delivery(nil), w.posts...)
}

// from sends a request from a peer, with headers. An answer without content is
// not held against the contract: the check asks for a content type.
func (h *house) from(peer, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	r.RemoteAddr, r.Host = peer, "127.0.0.1:8080"
	w := httptest.NewRecorder()
	h.g.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusNoContent {
		apitest.Check(h.t, r, []byte(body), w.Code, w.Header(), w.Body.Bytes())
	}
	return w
}
