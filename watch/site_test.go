package watch_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/watch"
)

var quiet = slog.New(slog.DiscardHandler)

// goodScript is the least that may be a script.
const goodScript = `(function () { window.TencentCaptcha = function (id, callback) { this.show = callback; }; })();`

// serving is what a site answers.
type serving func(r *http.Request) (*http.Response, error)

// A site serves the script in process, and notes when it was asked.
type site struct {
	mu     sync.Mutex
	serve  serving
	visits []time.Time
}

func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.visits = append(s.visits, time.Now())
	serve := s.serve
	s.mu.Unlock()
	return serve(r)
}

func (s *site) now(serve serving) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve = serve
}

func (s *site) seen() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.visits...)
}

// answer is a site that answers this.
func answer(status int, kind, body string, more ...string) serving {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {kind}}
		for i := 0; i+1 < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Request: r, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
	}
}

var well = answer(http.StatusOK, "text/javascript; charset=utf-8", goodScript)

func refuse(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// probed runs a probe of the site, at https://script.test/x.js every 10 s, 3
// failures, and tells the story in virtual time. The first probe meets first.
func probed(t *testing.T, log *slog.Logger, first serving, tell func(s *watch.Script, at *site, changes *[]bool)) {
	synctest.Test(t, func(t *testing.T) {
		at := &site{serve: first}
		var changes []bool
		s := watch.NewScript(watch.ScriptConfig{URL: "https://script.test/x.js", Interval: 10 * time.Second, Failures: 3}, at,
			func(st watch.ScriptStatus) { changes = append(changes, st.Down) }, nil, log, prometheus.NewRegistry())
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		wg.Go(func() { s.Run(ctx) })
		tell(s, at, &changes)
	})
}

// pass lets virtual time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// series is the value of a counter with one label.
func series(t *testing.T, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Errorf("there is no %s with %q", name, label)
	return -1
}
