package reverify_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/reverify"
	"captchagate/store/bolt"
)

const secret = "webhook-secret"

var (
	key     = []byte("a sealing key of thirty-two bytes")
	webhook = reverify.Config{Webhook: "https://shop.example/reports?token=in-the-query", Secret: secret}
	quiet   = slog.New(slog.DiscardHandler)
)

// world is a queue over a real store, the Captcha API below it and a webhook.
type world struct {
	t     testing.TB
	kept  reverify.Store
	api   *api
	hook  *hook
	share *share
	cfg   reverify.Config
	logs  bytes.Buffer
	fuse  *fuse    // nil: nothing dies
	hurry bool     // with a real clock
	keys  [][]byte // nil: key

	troubles atomic.Int32

	q    *reverify.Queue
	reg  *prometheus.Registry
	stop func()
}

// inWorld runs a story in virtual time, with the API away at first.
func inWorld(t *testing.T, cfg reverify.Config, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, kept: open(t), api: newAPI(), hook: &hook{}, share: &share{}, cfg: cfg}
		w.start()
		story(w)
		w.stop()
	})
}

func open(tb testing.TB) *bolt.Store {
	tb.Helper()
	b, err := bolt.Open(filepath.Join(tb.TempDir(), "gateway.db"), quiet)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.Close() })
	return b
}

// start makes a queue over what the store holds, as a new process would.
func (w *world) start() {
	w.t.Helper()
	w.reg = prometheus.NewRegistry()
	if w.keys == nil {
		w.keys = [][]byte{key}
	}
	log := slog.New(slog.NewTextHandler(&w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	q, err := reverify.New(w.t.Context(), w.verifier(), w.kept, w.share, w.api.refuted, w.cfg, w.keys, w.transport(), func(string) { w.troubles.Add(1) }, log, w.reg)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.hurry {
		q.Hurry()
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { q.Run(ctx) })
	w.q = q
	w.stop = func() { cancel(); running.Wait() }
}

func (w *world) verifier() captcha.Verifier {
	if w.fuse != nil {
		return mortalAPI{w.api, w.fuse}
	}
	return w.api
}

func (w *world) transport() http.RoundTripper {
	switch {
	case w.hook == nil:
		return nil
	case w.fuse != nil:
		return mortalHook{w.hook, w.fuse}
	}
	return w.hook
}

func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

// lets lets somebody in with a ticket. The decision has the ticket's name.
func (w *world) lets(ticket string, change ...func(*reverify.Entry)) {
	w.t.Helper()
	if err := w.q.Add(w.t.Context(), entry(ticket, change...)); err != nil {
		w.t.Fatal(err)
	}
}

func entry(ticket string, change ...func(*reverify.Entry)) reverify.Entry {
	e := reverify.Entry{
		DecisionID: "decision-" + ticket, Scene: "comment", Reference: "order-" + ticket, Incident: "outage-1",
		Ticket: captcha.Ticket{
			Value: "ticket-" + ticket, Randstr: "@randstr", AppID: 190000001,
			UserIP: netip.MustParseAddr("192.0.2.7"), Subject: "alice@shop.example",
		},
		DecidedAt: time.Now(),
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

// reported waits for virtual time to pass and returns all reports by decision.
func (w *world) reported(after time.Duration) map[string]reverify.Report {
	w.t.Helper()
	pass(after)
	return w.hook.reports(w.t)
}

// pass moves virtual time.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// share is a pace that tests set.
type share struct {
	mu sync.Mutex
	of float64
}

func (s *share) Share() float64 { s.mu.Lock(); defer s.mu.Unlock(); return s.of }
func (s *share) is(of float64)  { s.mu.Lock(); defer s.mu.Unlock(); s.of = of }
