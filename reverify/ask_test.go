package reverify_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/reverify"
)

func TestQueue_AsksNewestFirstWhateverTheOrderOfAdding(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		start := time.Now()
		for _, x := range []struct {
			ticket string
			after  time.Duration
		}{{"2", 2}, {"5", 5}, {"1", 1}, {"4a", 4}, {"3", 3}, {"4b", 4}, {"0", 0}, {"6", 6}} {
			w.lets(x.ticket, func(e *reverify.Entry) { e.DecidedAt = start.Add(x.after * time.Second) })
		}
		pass(10 * time.Second)
		w.share.is(1)
		pass(5 * time.Second)
		var asked []string
		for _, q := range w.api.questions() {
			asked = append(asked, strings.TrimPrefix(q.ticket, "ticket-"))
		}
		if got := strings.Join(asked, " "); got != "6 5 4b 4a 3 2 1 0" {
			t.Errorf("asked in the order %s", got)
		}
	})
}

// A ticket that met a failure waits on its own, twice as long each time: the
// others are not held up by it.
func TestQueue_AsksAboutATicketThatFailsLessAndLessOften(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.api.fail(func(_ context.Context, t captcha.Ticket) *captcha.Failure {
			if t.Value == "ticket-bad" {
				return failure(captcha.Fault, false)
			}
			return nil
		})
		w.lets("bad")
		w.share.is(1)
		pass(3 * time.Minute)
		var waits []time.Duration
		asked := w.api.questions()
		for i := 1; i < len(asked); i++ {
			waits = append(waits, asked[i].at.Sub(asked[i-1].at))
		}
		want := []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute}
		if strings.Contains(w.logs.String(), "keeps a doubt") {
			t.Error("says that a doubt is kept, and there was none")
		}
		if len(waits) < len(want) {
			t.Fatalf("waits %v, want %v", waits, want)
		}
		for i, d := range want {
			if waits[i] < d || waits[i] > d+time.Second {
				t.Errorf("wait %d is %v, want %v", i, waits[i], d)
			}
		}
	})
}

func TestQueue_AsksLessAndLessOftenWhileEverythingFails(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.api.fail(func(context.Context, captcha.Ticket) *captcha.Failure { return failure(captcha.Fault, false) })
		for i := range 50 {
			w.lets(strconv.Itoa(i))
		}
		w.share.is(1)
		pass(70 * time.Second)
		var pauses []time.Duration
		asked := w.api.questions()
		for i := 1; i < len(asked); i++ {
			pauses = append(pauses, asked[i].at.Sub(asked[i-1].at).Round(time.Second))
		}
		want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 15 * time.Second, 15 * time.Second}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
		if n := strings.Count(w.logs.String(), "re-verification waits"); n != 1 {
			t.Errorf("the log says %d times that it waits, want once", n)
		}
		w.api.fail(nil)
		pass(20 * time.Second)
		if n := len(w.api.questions()) - len(asked); n < 50 {
			t.Errorf("asked %d times in the seconds after the API is back, want all 50", n)
		}
	})
}
