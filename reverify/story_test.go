package reverify_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/reverify"
)

// An outage from its first pass to the last report.
func TestQueue_ReportsAfterAnOutageExactlyWhoWasBad(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		want := map[string]reverify.Result{}
		for i := range 60 { // one a second for a minute, every tenth bad
			ticket := strconv.Itoa(i)
			want[ticket] = reverify.Confirmed
			if i%10 == 3 {
				w.api.codes["ticket-"+ticket] = 15
				want[ticket] = reverify.Refuted
			}
			w.lets(ticket)
			pass(time.Second)
		}
		if n := len(w.api.questions()); n != 0 {
			t.Fatalf("asked %d times while the API is away", n)
		}
		w.share.is(1)
		wantResults(t, w.reported(20*time.Second), want)
		if got, wanted := w.q.Counts("outage-1"), (reverify.Tally{Confirmed: 54, Refuted: 6}); got != wanted || got.Checked() != 60 {
			t.Errorf("counts %+v, want %+v", got, wanted)
		}
		if len(w.api.bad) != 6 {
			t.Errorf("told of %d refuted tickets, want 6", len(w.api.bad))
		}
		if w.q.Held() != 0 {
			t.Errorf("%d entries are held after the last was acknowledged", w.q.Held())
		}
		if w.logs.Len() != 0 {
			t.Errorf("all went well, and the log says %s", w.logs.String())
		}
	})
}

func TestQueue_AsksNewestFirstAndSlowly(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		for i := range 100 {
			w.lets(strconv.Itoa(i))
			pass(10 * time.Millisecond)
		}
		w.share.is(1)
		pass(10 * time.Second)
		asked := w.api.questions()
		if len(asked) != 100 {
			t.Fatalf("asked %d times, want 100", len(asked))
		}
		for i, q := range asked {
			if want := "ticket-" + strconv.Itoa(99-i); q.ticket != want {
				t.Fatalf("question %d is about %s, want %s", i, q.ticket, want)
			}
			if i >= 20 && q.at.Sub(asked[i-20].at) < time.Second {
				t.Fatalf("questions %d to %d within %v", i-20, i, q.at.Sub(asked[i-20].at))
			}
			if q.left <= 0 || q.left > time.Second {
				t.Fatalf("a question may take %v, want a second", q.left)
			}
		}
		if took := asked[99].at.Sub(asked[0].at); took > 6*time.Second {
			t.Errorf("a hundred questions took %v at 20 a second", took)
		}
	})
}

func TestQueue_AsksNoFasterThanTheShare(t *testing.T) {
	for _, of := range []float64{0, 0.05, 0.5, 1, 7} {
		t.Run(fmt.Sprint(of), func(t *testing.T) {
			inWorld(t, webhook, func(w *world) {
				for i := range 300 {
					w.lets(strconv.Itoa(i))
				}
				w.share.is(of)
				pass(10 * time.Second)
				want := int(200 * min(of, 1))
				if n := len(w.api.questions()); n > want+1 || n < want*8/10 {
					t.Errorf("asked %d times in 10 s, want about %d", n, want)
				}
			})
		})
	}
}

func TestQueue_HasFewQuestionsOnTheirWay(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.api.fail(func(ctx context.Context, _ captcha.Ticket) *captcha.Failure {
			<-ctx.Done()
			return failure(captcha.Fault, true)
		})
		for i := range 300 {
			w.lets(strconv.Itoa(i))
		}
		w.share.is(1)
		pass(time.Minute)
		if w.api.most > 4 {
			t.Errorf("%d questions at once", w.api.most)
		}
		if n := len(w.api.questions()); n < 4 || n > 60 {
			t.Errorf("asked an API that hangs %d times in a minute", n)
		}
	})
}

func TestQueue_StopsWhenTheAPIIsAwayAgain(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		for i := range 300 {
			w.lets(strconv.Itoa(i))
		}
		w.share.is(1)
		pass(2 * time.Second)
		w.share.is(0)
		pass(time.Second)
		n := len(w.api.questions())
		pass(time.Minute)
		if more := len(w.api.questions()); n == 0 || more != n {
			t.Errorf("asked %d times, then %d times more while the API is away", n, more-n)
		}
	})
}

func TestQueue_GivesUpWhenTheTicketIsTooOld(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.lets("early")
		pass(4 * time.Minute)
		w.lets("late")
		pass(65 * time.Second) // the first is five minutes old
		w.share.is(1)
		got := w.reported(10 * time.Second)
		wantResults(t, got, map[string]reverify.Result{"early": reverify.Unverifiable, "late": reverify.Confirmed})
		r := got["decision-early"]
		if r.CaptchaCode != nil || r.ReverifiedAt.Sub(r.DecidedAt) < captcha.TicketLife {
			t.Errorf("given up with code %v after %v", r.CaptchaCode, r.ReverifiedAt.Sub(r.DecidedAt))
		}
		if n := len(w.api.questions()); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})
}

func TestQueue_GivesUpAtTheEndOfALongOutage(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		for i := range 50 {
			w.lets(strconv.Itoa(i))
		}
		if got := len(w.reported(captcha.TicketLife + 10*time.Second)); got != 50 {
			t.Errorf("%d reports while the API is still away, want 50", got)
		}
		if got := w.q.Counts("outage-1"); got != (reverify.Tally{Unverifiable: 50}) || got.Checked() != 0 {
			t.Errorf("counts %+v", got)
		}
	})
}

// What was saved up in peace is no leave to ask in an outage: not once (C3).
func TestQueue_AsksNothingWhileTheAPIIsAway(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.share.is(1)
		pass(time.Minute)
		w.share.is(0)
		w.lets("one")
		pass(time.Minute)
		if n := len(w.api.questions()); n != 0 {
			t.Errorf("asked %d times while the API is away", n)
		}
		w.share.is(1)
		pass(5 * time.Second)
		if n := len(w.api.questions()); n != 1 {
			t.Errorf("asked %d times once it is back, want 1", n)
		}
	})
}
