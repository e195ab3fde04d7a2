package reverify_test

import (
	"context"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/reverify"
)

func TestQueue_TurnsEachAnswerIntoItsResult(t *testing.T) {
	fault := failure(captcha.Fault, true)
	throttled := failure(captcha.Throttled, false)
	for _, tt := range []struct {
		name      string
		code      int64
		attempted bool
		usedUp    bool             // by the attempt of unknown fate, or by somebody
		first     *captcha.Failure // the first question ends so
		consumes  bool             // and uses the ticket up
		want      reverify.Result
		wantCode  int64 // 0 = null
	}{
		{name: "good", code: 1, want: reverify.Confirmed, wantCode: 1},
		{name: "good after an attempt of ours", code: 1, attempted: true, want: reverify.Confirmed, wantCode: 1},
		{name: "malicious", code: evil, want: reverify.Refuted, wantCode: 1},
		{name: "forged", code: 15, want: reverify.Refuted, wantCode: 15},
		{name: "other randstr", code: 7, want: reverify.Refuted, wantCode: 7},
		{name: "another site's", code: 100, want: reverify.Refuted, wantCode: 100},
		{name: "unknown code", code: 77, want: reverify.Refuted, wantCode: 77},
		{name: "call refused as invalid", code: invalid, want: reverify.Refuted},
		{name: "expired", code: 8, want: reverify.Unverifiable, wantCode: 8},
		{name: "expired after an attempt of ours", code: 8, attempted: true, want: reverify.Unverifiable, wantCode: 8},
		{name: "used by somebody", usedUp: true, want: reverify.Refuted, wantCode: 9},
		{name: "used, by the old code", code: 104, want: reverify.Refuted, wantCode: 104},
		{name: "used, perhaps by us", usedUp: true, attempted: true, want: reverify.Unverifiable, wantCode: 9},
		{name: "used, perhaps by us, by the old code", code: 104, attempted: true, want: reverify.Unverifiable, wantCode: 104},
		{name: "forged after an attempt of ours", code: 15, attempted: true, want: reverify.Refuted, wantCode: 15},
		{name: "good at the second question", code: 1, first: fault, want: reverify.Confirmed, wantCode: 1},
		{name: "used up by a question of unknown fate", code: 1, first: fault, consumes: true, want: reverify.Unverifiable, wantCode: 9},
		{name: "used by somebody, after a question that was not processed", usedUp: true, first: throttled, want: reverify.Refuted, wantCode: 9},
		{name: "perhaps used by us, after a question that was not processed", usedUp: true, attempted: true, first: throttled, want: reverify.Unverifiable, wantCode: 9},
		{name: "account refused at first", code: 15, first: failure(captcha.Misconfigured, false), want: reverify.Refuted, wantCode: 15},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, webhook, func(w *world) {
				w.api.codes["ticket-x"] = tt.code
				w.api.used["ticket-x"] = tt.usedUp
				if tt.code == 0 {
					delete(w.api.codes, "ticket-x")
				}
				failed := tt.first == nil
				w.api.fail(func(_ context.Context, q captcha.Ticket) *captcha.Failure {
					if failed {
						return nil
					}
					failed = true
					if tt.consumes {
						_, _ = w.api.look(q)
					}
					return tt.first
				})
				w.lets("x", func(e *reverify.Entry) { e.Attempted = tt.attempted })
				w.share.is(1)
				r := w.reported(30 * time.Second)["decision-x"]
				if r.Result != tt.want || (r.CaptchaCode == nil) != (tt.wantCode == 0) || r.CaptchaCode != nil && *r.CaptchaCode != tt.wantCode {
					t.Errorf("reported %+v, want %s with code %d", r, tt.want, tt.wantCode)
				}
				if bad := len(w.api.bad) == 1; bad != (tt.want == reverify.Refuted) {
					t.Errorf("told of it as refuted: %v", bad)
				}
			})
		})
	}
}

func TestQueue_TriesFailuresAgainUntilTheTicketIsTooOld(t *testing.T) {
	for _, kind := range []captcha.Kind{captcha.Fault, captcha.Throttled, captcha.Misconfigured} {
		t.Run(kind.String(), func(t *testing.T) {
			inWorld(t, webhook, func(w *world) {
				w.api.fail(func(context.Context, captcha.Ticket) *captcha.Failure { return failure(kind, kind == captcha.Fault) })
				w.lets("x")
				w.share.is(1)
				wantResults(t, w.reported(captcha.TicketLife+15*time.Second), map[string]reverify.Result{"x": reverify.Unverifiable})
				if n := len(w.api.questions()); n < 3 || n > 15 {
					t.Errorf("asked %d times in five minutes", n)
				}
			})
		})
	}
}

func TestQueue_IsNotHeldUpByOneTicketThatTheAPIChokesOn(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		want := map[string]reverify.Result{}
		for _, ticket := range []string{"a", "b", "c", "d"} {
			w.lets(ticket)
			want[ticket] = reverify.Confirmed
		}
		pass(time.Second)
		w.lets("poison") // the newest: asked about first, each time
		w.api.fail(func(_ context.Context, q captcha.Ticket) *captcha.Failure {
			if q.Value == "ticket-poison" {
				return failure(captcha.Fault, true)
			}
			return nil
		})
		w.share.is(1)
		wantResults(t, w.reported(20*time.Second), want)
	})
}

func TestQueue_CountsFindingsAndBeginsAtZero(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		for _, r := range []string{"confirmed", "refuted", "unverifiable"} {
			if got, ok := w.counter(r); got != 0 || !ok {
				t.Errorf("%s begins at %v, is there: %v", r, got, ok)
			}
		}
		w.api.codes["ticket-b"] = 15
		w.api.codes["ticket-c"] = 8
		w.lets("a")
		w.lets("b")
		w.lets("c")
		w.share.is(1)
		pass(10 * time.Second)
		for _, r := range []string{"confirmed", "refuted", "unverifiable"} {
			if got, _ := w.counter(r); got != 1 {
				t.Errorf("%s: %v, want 1", r, got)
			}
		}
	})
}

// counter is the metric's value for a result.
func (w *world) counter(result string) (value float64, ok bool) {
	w.t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "captchagate_reverified_total" && m.GetLabel()[0].GetValue() == result {
				return m.GetCounter().GetValue(), true
			}
		}
	}
	return 0, false
}
