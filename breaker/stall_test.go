package breaker_test

import (
	"context"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// C2: calls that stand are evidence as long as none comes back. One that came
// back says that the API lives, one whose caller left says nothing.
func TestBreaker_TakesNoneComingBackForAStall(t *testing.T) {
	patient := func(n int) captcha.Ticket { return user(7_000_000 + n) }
	for name, row := range map[string]struct {
		others answerer
		leave  time.Duration // how long the others wait
		opens  bool
	}{
		"others come back": {after(20*time.Millisecond, passes), time.Minute, false},
		"others leave":     {hangs, 30 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				stand := map[string]bool{}
				for n := range 40 {
					stand[patient(n).Value] = true
				}
				w.becomes(func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
					if stand[tk.Value] {
						return hangs(ctx, tk)
					}
					return row.others(ctx, tk)
				})
				for n := range 40 {
					w.others.Go(func() { w.verify(w.t.Context(), patient(n)) })
				}
				for n := range 70 {
					ctx, leave := context.WithTimeout(w.t.Context(), row.leave)
					w.others.Go(func() {
						defer leave()
						w.verify(ctx, user(n))
					})
					time.Sleep(10 * time.Millisecond)
				}
				if opened := w.b.State() == breaker.Open; opened != row.opens {
					t.Errorf("circuit is %v after 700 ms: %v", w.b.State(), w.transitions())
				}
				w.becomes(passes)
				w.others.Wait()
			})
		})
	}
}

// An answer that takes slow_call is slow, a probe that takes it is healthy: the
// bound itself is evidence, but not enough to stay away.
func TestBreaker_JudgesWhatTakesExactlySlowCall(t *testing.T) {
	inWorld(t, func(w *world) {
		for n, took := range []time.Duration{499 * time.Millisecond, 500 * time.Millisecond, 501 * time.Millisecond} {
			w.becomes(after(took, passes))
			w.verify(w.t.Context(), user(n))
			if got := w.b.Status().Slow; got != n {
				t.Errorf("%d slow answers after one of %v", got, took)
			}
		}
		w.becomes(refuses(captcha.Fault))
		w.traffic(100, time.Second)
		w.becomes(after(501*time.Millisecond, passes))
		time.Sleep(10 * time.Second)
		if s := w.b.State(); s != breaker.Open {
			t.Errorf("circuit is %v while probes take 501 ms", s)
		}
		w.becomes(after(500*time.Millisecond, passes))
		w.awaits(breaker.Recovering, 5*time.Second)
	})
}

// C8: the circuit closes again once what would open it is out of chance's reach:
// 20 % of faults do not keep it from closing, 40 % do, and so with slow answers.
func TestBreaker_ClosesBelowWhatOpens(t *testing.T) {
	faulty := refuses(captcha.Fault)
	slow := after(600*time.Millisecond, passes)
	for name, row := range map[string]struct {
		share  float64
		bad    answerer
		closes bool
	}{
		"20 percent faults": {0.2, faulty, true},
		"42 percent faults": {0.42, faulty, false},
		"40 percent slow":   {0.4, slow, true},
		"70 percent slow":   {0.7, slow, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, limits := defaults()
			limits.MaxAttempts = 1
			inWorldOf(t, cfg, limits, func(w *world) {
				w.b.Ramp(time.Hour)
				w.becomes(probesGet(after(20*time.Millisecond, code(21)), share(row.share, row.bad, after(20*time.Millisecond, passes))))
				w.traffic(100, 14*time.Second)
				closed := false
				for _, tr := range w.transitions() {
					closed = closed || tr.To == breaker.Closed
				}
				if closed != row.closes {
					t.Errorf("closed: %v; transitions %v", closed, w.transitions())
				}
			})
		})
	}
}

// C1, C8: a second's calls open only if more of them are faults than chance makes
// of the configured half, beside a window that was healthy, and a probe fails too.
func TestBreaker_AllowsASecondItsChance(t *testing.T) {
	for percent, opens := range map[int]bool{56: false, 62: true} {
		inWorld(t, func(w *world) {
			w.traffic(100, 20*time.Second)
			n := 0
			w.becomes(func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
				n += percent // spreads the faults evenly
				if !captcha.LooksDisaster(tk.Value) && n%100 >= percent {
					return passes(ctx, tk)
				}
				return captcha.Verdict{}, &captcha.Failure{Kind: captcha.Fault}
			})
			w.traffic(100, 1500*time.Millisecond)
			if opened := len(w.transitions()) > 0; opened != opens {
				t.Errorf("%d %% faults for 1.5 s opened: %v", percent, opened)
			}
		})
	}
}
