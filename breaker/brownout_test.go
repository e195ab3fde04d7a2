package breaker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// using wraps an answer so that a ticket is good once: asked again it is
// answered 9, whether or not its first answer ever arrived.
func using(consume bool, fault answerer) answerer {
	var used sync.Map
	return func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		if captcha.LooksDisaster(t.Value) {
			return code(21)(ctx, t)
		}
		if _, again := used.Load(t.Value); again {
			return code(captcha.CodeReused)(ctx, t)
		}
		v, err := fault(ctx, t)
		if err == nil || consume {
			used.Store(t.Value, true)
		}
		return v, err
	}
}

// C5, C8: at 10 and 30 % faults the circuit stays closed, retries save what
// their budget allows, and nobody is told anything wrong.
func TestBreaker_RidesOutABrownOut(t *testing.T) {
	long(t)
	for _, c := range []struct {
		share   float64
		rate    int
		consume bool
		least   float64
	}{
		{0.1, 100, false, 0.95}, {0.1, 500, true, 0.95 * 0.9},
		{0.3, 50, false, 0.80}, {0.3, 100, false, 0.80}, {0.3, 500, false, 0.80}, {0.3, 500, true, 0.95 * 0.7},
	} {
		t.Run(fmt.Sprintf("%.0f percent at %d, consuming %v", 100*c.share, c.rate, c.consume), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(after(20*time.Millisecond, using(c.consume, share(c.share, refuses(captcha.Fault), passes))))
				start := time.Now()
				rs := w.traffic(c.rate, min(60*time.Second, 6000*time.Second/time.Duration(c.rate)))
				users, _ := w.reached(start)
				full := float64(rs.count("passed")) / float64(len(rs))
				each := float64(users) / float64(len(rs))
				t.Logf("%.1f %% full verdicts, %.3f attempts a request, transitions %v", 100*full, each, w.transitions())
				if full < c.least {
					t.Errorf("%.1f %% full verdicts, want %.1f %%", 100*full, 100*c.least)
				}
				if most := 1.2 + float64(10)/float64(len(rs)); each > most {
					t.Errorf("%.3f attempts a request, want at most %.3f", each, most)
				}
				if rs.count("rejected") > 0 {
					t.Errorf("%d good tickets were rejected", rs.count("rejected"))
				}
			})
		})
	}
}

// C8: at 40 to 60 % faults the mode changes at most once a minute.
func TestBreaker_DoesNotFlap(t *testing.T) {
	long(t)
	for _, percent := range []int{40, 45, 50, 55, 60} {
		for _, rate := range []int{30, 100} {
			t.Run(fmt.Sprintf("%d percent at %d", percent, rate), func(t *testing.T) {
				inWorld(t, func(w *world) {
					faulty := share(float64(percent)/100, refuses(captcha.Fault), passes)
					w.becomes(after(20*time.Millisecond, faulty))
					minutes := map[int]int{30: 5, 100: 3}[rate]
					w.traffic(rate, time.Duration(minutes)*time.Minute)
					changes := modeChanges(w.transitions())
					t.Logf("%d mode changes in %d minutes: %v", len(changes), minutes, changes)
					for i := 2; i < len(changes); i++ {
						if changes[i].Sub(changes[i-1]) < time.Minute {
							t.Errorf("the mode changed twice within %v", changes[i].Sub(changes[i-1]))
						}
					}
					if len(changes) > minutes+1 {
						t.Errorf("%d mode changes in %d minutes", len(changes), minutes)
					}
				})
			})
		}
	}
}

// modeChanges are the times at which the process mode changed.
func modeChanges(ts []breaker.Transition) (at []time.Time) {
	for _, t := range ts {
		if t.From == breaker.Closed || t.To == breaker.Closed {
			at = append(at, t.At)
		}
	}
	return at
}

// C8: an API that comes and goes causes at most two mode changes an outage.
func TestBreaker_FollowsAFlappingAPI(t *testing.T) {
	inWorld(t, func(w *world) {
		go func() {
			for range 10 {
				w.becomes(hangs)
				time.Sleep(3 * time.Second)
				w.becomes(after(20*time.Millisecond, passes))
				time.Sleep(3 * time.Second)
			}
		}()
		rs := w.traffic(200, 90*time.Second)
		if n := len(modeChanges(w.transitions())); n > 20 || n%2 != 0 {
			t.Errorf("%d mode changes in 10 outages", n)
		}
		var slow int
		for _, r := range rs {
			if r.took > 300*time.Millisecond {
				slow++
			}
		}
		t.Logf("%d mode changes; %d of %d users waited over 300 ms", len(modeChanges(w.transitions())), slow, len(rs))
		if slow*100 > len(rs) {
			t.Errorf("%d of %d users waited for more than 300 ms", slow, len(rs))
		}
		if w.b.State() != breaker.Closed {
			t.Errorf("circuit is %v 30 s after the last outage", w.b.State())
		}
	})
}

// A slow start after the outage delays the end, and an outage during the ramp
// is met as the first one was.
func TestBreaker_MeetsAnOutageDuringTheRamp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.traffic(200, 20*time.Second)
		w.becomes(after(900*time.Millisecond, passes)) // back, but too slow to be well
		w.traffic(200, 5*time.Second)
		if w.b.State() != breaker.Open {
			t.Errorf("circuit is %v while the API is slow", w.b.State())
		}
		w.becomes(after(20*time.Millisecond, passes))
		w.awaits(breaker.Recovering, 3*time.Second)
		w.traffic(200, 700*time.Millisecond)
		w.becomes(hangs)
		go w.traffic(200, 3*time.Second)
		took := w.awaits(breaker.Open, time.Second)
		t.Logf("open again after %v: %s", took, w.b.Status().Evidence)
		if took > 500*time.Millisecond {
			t.Errorf("open again after %v only", took)
		}
		time.Sleep(5 * time.Second)
		w.becomes(after(20*time.Millisecond, passes))
		w.awaits(breaker.Recovering, 3*time.Second)
		w.awaits(breaker.Closed, 11*time.Second)
		if n := len(modeChanges(w.transitions())); n != 2 {
			t.Errorf("%d mode changes, want 2: %v", n, w.transitions())
		}
	})
}

// C5: in a total outage retries stay under a tenth of the requests.
func TestBreaker_DoesNotAmplify(t *testing.T) {
	for name, fault := range map[string]answerer{"hang": hangs, "faults": after(5*time.Millisecond, refuses(captcha.Fault))} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(fault)
				start := time.Now()
				rs := w.traffic(200, 15*time.Second)
				users, _ := w.reached(start)
				t.Logf("%d calls for %d requests", users, len(rs))
				if float64(users) > 1.1*float64(len(rs)) {
					t.Errorf("%d calls for %d requests", users, len(rs))
				}
				for _, r := range rs {
					if r.f != nil && r.f.Attempts > 3 {
						t.Fatalf("%d attempts for one request", r.f.Attempts)
					}
				}
			})
		})
	}
}

// A6: code 9 after an own attempt of unknown fate is nobody's verdict, for any
// request about that ticket; without one it is a rejection.
func TestBreaker_KnowsTheAmbiguousTicket(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(probesGet(passes, hangs))
		if r := w.verify(w.t.Context(), user(1)); r.kind() != "fault" {
			t.Fatalf("hang: %s", r.kind())
		}
		w.becomes(code(captcha.CodeReused))
		for range 2 {
			r := w.verify(w.t.Context(), user(1))
			if r.kind() != "outcome_unknown" || r.f.Answer == nil || r.f.Answer.Code != captcha.CodeReused {
				t.Errorf("the ticket that may be used: %s", r.kind())
			}
		}
		if r := w.verify(w.t.Context(), user(2)); r.kind() != "rejected" {
			t.Errorf("another ticket: %s", r.kind())
		}
	})
}

// A6: it is told apart if only the caller's leaving made the fate unknown; an
// attempt that the API left without an answer counts for more.
func TestBreaker_KnowsWhoMadeATicketAmbiguous(t *testing.T) {
	inWorld(t, func(w *world) {
		hangUp := func(n int) {
			ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Millisecond)
			defer cancel()
			if r := w.verify(ctx, user(n)); r.kind() != "cancelled" {
				t.Fatalf("hung up: %s", r.kind())
			}
		}
		w.becomes(probesGet(passes, hangs))
		hangUp(1)
		hangUp(2)
		w.verify(w.t.Context(), user(2))
		w.becomes(code(captcha.CodeReused))
		for n, abandoned := range map[int]bool{1: true, 2: false} {
			if r := w.verify(w.t.Context(), user(n)); r.kind() != "outcome_unknown" || r.f.Abandoned != abandoned {
				t.Errorf("user %d: %s, abandoned %v", n, r.kind(), r.f.Abandoned)
			}
		}
	})
}

// Many requests about one ticket at once: one verdict, the others know that
// they came late; if the one is lost they say that nobody knows.
func TestBreaker_WaitsForATwin(t *testing.T) {
	for lost, want := range map[bool]string{false: "rejected", true: "outcome_unknown"} {
		inWorld(t, func(w *world) {
			var first sync.Once
			w.becomes(func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
				mine := false
				first.Do(func() { mine = true })
				switch {
				case !mine:
					return after(10*time.Millisecond, code(captcha.CodeReused))(ctx, tk)
				case lost:
					return hangs(ctx, tk)
				}
				return after(300*time.Millisecond, passes)(ctx, tk)
			})
			var wg sync.WaitGroup
			rs := make(results, 50)
			for i := range rs {
				wg.Go(func() { rs[i] = w.verify(w.t.Context(), user(1)) })
				time.Sleep(time.Millisecond)
			}
			wg.Wait()
			if n := rs.count(want); n < 49 {
				t.Errorf("lost %v: %d of 50 are %s", lost, n, want)
			}
		})
	}
}

// A ramp is no longer than its outage was, so that a short one ends after a few
// calls. Twenty good ones close the circuit then; fewer say little, and it
// closes when a whole ramp went well.
func TestBreaker_ClosesEarlyOnEnoughGoodCallsOnly(t *testing.T) {
	for _, row := range []struct {
		name        string
		rate        int
		least, most time.Duration
	}{
		{"nobody there", 0, 500 * time.Millisecond, 2 * time.Second},
		{"one a second", 1, 10 * time.Second, 11 * time.Second},
		{"a hundred a second", 100, 500 * time.Millisecond, 2 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(refuses(captcha.Fault))
				w.traffic(200, 200*time.Millisecond)
				w.becomes(after(20*time.Millisecond, passes))
				w.awaits(breaker.Recovering, 2*time.Second)
				w.others.Go(func() { w.traffic(row.rate, 12*time.Second) })
				if took := w.awaits(breaker.Closed, 12*time.Second); took < row.least || took > row.most {
					t.Errorf("closed after %v, want %v to %v", took, row.least, row.most)
				}
				w.others.Wait()
			})
		})
	}
}
