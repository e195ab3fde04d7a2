package reverify_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"captchagate/reverify"
)

func TestWebhook_IsLeftAloneAfterADay(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.hook.is(503, nil)
		w.share.is(1)
		w.lets("a")
		pass(24*time.Hour + 5*time.Minute + time.Second)
		n := len(w.hook.deliveries())
		w.hook.is(0, nil)
		pass(time.Hour)
		if more := len(w.hook.deliveries()) - n; more != 0 {
			t.Errorf("%d deliveries after the report's day", more)
		}
		if held := w.q.Held(); held != 0 {
			t.Errorf("%d reports are held", held)
		}
		if !strings.Contains(w.logs.String(), "not acknowledged within a day") {
			t.Error("nobody is told that reports are lost")
		}
	})
}

func TestWebhook_GoesOnAcrossRestartsUnderTheSameKey(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.hook.is(502, nil)
		w.share.is(1)
		w.lets("a")
		for range 5 {
			pass(10 * time.Second)
			w.restart()
		}
		w.hook.is(200, nil)
		wantResults(t, w.reported(10*time.Second), map[string]reverify.Result{"a": reverify.Confirmed})
		if n := len(w.hook.deliveries()); n < 6 {
			t.Errorf("%d deliveries, want one of each process at least", n)
		}
		if got := w.q.Counts("outage-1"); got != (reverify.Tally{Confirmed: 1}) {
			t.Errorf("counts %+v", got)
		}
		w.restart()
		if got := w.q.Counts("outage-1"); got != (reverify.Tally{Confirmed: 1}) {
			t.Errorf("counts after it was acknowledged: %+v", got)
		}
	})
}

func TestWebhook_WithoutOneReportsCanBeReadForADay(t *testing.T) {
	inWorld(t, reverify.Config{}, func(w *world) {
		w.share.is(1)
		w.lets("first")
		pass(10 * time.Second)
		w.lets("second", func(e *reverify.Entry) { e.Incident = "" })
		pass(10 * time.Second)
		w.lets("third")
		pass(10 * time.Second)
		w.restart()
		wantOrder(t, w, 10, "null: second", "outage-1: third first")
		wantOrder(t, w, 2, "null: second", "outage-1: third")
		wantOrder(t, w, 0)
		pass(24*time.Hour - 11*time.Second)
		wantOrder(t, w, 10, "outage-1: third")
		pass(time.Minute)
		wantOrder(t, w, 10)
		if n := len(w.hook.deliveries()); n != 0 {
			t.Errorf("%d deliveries", n)
		}
	})
}

// wantOrder wants reports by incident; the incidents' own order is apart.
func wantOrder(t *testing.T, w *world, limit int, want ...string) {
	t.Helper()
	all, err := w.q.Reports(w.t.Context(), limit)
	if err != nil || all == nil {
		t.Errorf("reports %v, error %v", all, err)
	}
	got := map[string]bool{}
	for _, of := range all {
		line := "null:"
		if of.IncidentID != nil {
			line = *of.IncidentID + ":"
		}
		for _, r := range of.Reports {
			line += " " + strings.TrimPrefix(r.DecisionID, "decision-")
		}
		got[line] = true
	}
	for _, line := range want {
		if !got[line] {
			t.Errorf("of at most %d reports no %q: %v", limit, line, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("of at most %d reports %v, want %v", limit, got, want)
	}
}

// The only test with a network: the transport of its own.
func TestWebhook_IsAskedOverTheNetwork(t *testing.T) {
	got := make(chan delivery, 1)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body strings.Builder
		_ = r.Write(&body)
		rw.WriteHeader(http.StatusAccepted)
		_, _ = rw.Write(make([]byte, 1<<20)) // more than is read
		got <- delivery{header: r.Header}
	}))
	defer server.Close()
	w := &world{t: t, kept: open(t), api: newAPI(), share: &share{of: 1}, hurry: true,
		cfg: reverify.Config{Webhook: server.URL, Secret: secret}}
	w.start()
	for i := 0; w.q.Add(t.Context(), entry(strconv.Itoa(i))) != nil; i++ { // a busy disk took longer than a user waits
	}
	if d := <-got; d.header.Get("Idempotency-Key") == "" {
		t.Error("no key")
	}
	w.stop()
}
