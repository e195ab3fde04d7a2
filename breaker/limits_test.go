package breaker_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// C3: probes come an interval apart that grows with the outage's age, a thirtieth
// of it, and doubles with each recovery that failed, within its bounds.
func TestBreaker_ProbesLessOftenTheLongerAnOutageLasts(t *testing.T) {
	bounds := breaker.Interval{Initial: time.Second, Max: 5 * time.Second}
	for _, row := range []struct {
		age    time.Duration
		failed int
		want   time.Duration
	}{
		{0, 0, time.Second}, {30 * time.Second, 0, time.Second}, {60 * time.Second, 0, 2 * time.Second},
		{90 * time.Second, 0, 3 * time.Second}, {150 * time.Second, 0, 5 * time.Second}, {time.Hour, 0, 5 * time.Second},
		{0, 1, 2 * time.Second}, {0, 2, 4 * time.Second}, {0, 3, 5 * time.Second}, {0, 1000, 5 * time.Second},
		{60 * time.Second, 1, 4 * time.Second},
	} {
		if got := breaker.ProbeInterval(bounds, row.age, row.failed); got != row.want {
			t.Errorf("after %v and %d failed recoveries: %v, want %v", row.age, row.failed, got, row.want)
		}
	}
}

// C14: an outage that goes on after a recovery is as old as it was, and not a new
// one that is probed every second.
func TestBreaker_KnowsAnOldOutageAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.traffic(100, time.Second)
		time.Sleep(10 * time.Minute)
		w.becomes(probesGet(after(20*time.Millisecond, code(21)), refuses(captcha.Fault)))
		w.awaits(breaker.Recovering, 6*time.Second)
		w.others.Go(func() { w.traffic(100, 500*time.Millisecond) })
		w.awaits(breaker.Open, time.Second)
		synctest.Wait() // for the prober's next plan
		s := w.b.Status()
		if wait := s.NextProbeAt.Sub(s.Since); wait < 4*time.Second || wait > 5*time.Second {
			t.Errorf("the next probe is %v after a recovery that failed in a long outage, want 4 to 5 s", wait)
		}
		w.others.Wait()
	})
}

// C1: three address prefixes are enough to open without a probe, two are not.
func TestBreaker_BelievesThreePrefixes(t *testing.T) {
	for prefixes, want := range map[int]breaker.State{2: breaker.Closed, 3: breaker.Open} {
		inWorld(t, func(w *world) {
			w.becomes(probesGet(passes, after(time.Millisecond, refuses(captcha.Fault))))
			start := time.Now()
			w.trafficOf(100, 2*time.Second, func(n int) captcha.Ticket {
				tk := user(n)
				tk.UserIP = user(n % prefixes).UserIP
				return tk
			})
			opened := len(w.transitions()) > 0
			if opened != (want == breaker.Open) {
				t.Errorf("faults from %d prefixes: transitions %v", prefixes, w.transitions())
			}
			if _, probes := w.reached(start); prefixes == 2 && (probes < 1 || probes > 2) {
				t.Errorf("%d probes in two seconds of suspicion, want one a second", probes)
			}
		})
	}
}

// A place is a /24, or a /48 of IPv6: who has one address of it may have all.
func TestBreaker_CountsAPlaceOnce(t *testing.T) {
	for name, row := range map[string]struct {
		address func(n int) netip.Addr
		opens   bool
	}{
		"one /24":          {func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }, false},
		"many /24":         {func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n), 1}) }, true},
		"one /48":          {func(n int) netip.Addr { return netip.AddrFrom16([16]byte{0x2a, 1, 0, 0, 0, 0, byte(n)}) }, false},
		"many /48":         {func(n int) netip.Addr { return netip.AddrFrom16([16]byte{0x2a, 1, 0, 0, 0, byte(n)}) }, true},
		"one /24, in IPv6": {func(n int) netip.Addr { return netip.AddrFrom16(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}).As16()) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(probesGet(passes, after(time.Millisecond, refuses(captcha.Fault))))
				w.trafficOf(100, time.Second, func(n int) captcha.Ticket {
					tk := user(n)
					tk.UserIP = row.address(n)
					return tk
				})
				if opened := len(w.transitions()) > 0; opened != row.opens {
					t.Errorf("opened: %v", opened)
				}
			})
		})
	}
}

// C5: ten retries are saved up, a fifth of one comes with each request, and one
// request makes three attempts at most. None comes without its pause, or after
// the deadline.
func TestBreaker_RetriesWithinItsBudget(t *testing.T) {
	one := func(int) captcha.Ticket { return user(1) } // opens nothing
	for _, row := range []struct {
		name     string
		change   func(l *breaker.Limits)
		attempts int // of 30 requests
	}{
		{"the defaults", func(*breaker.Limits) {}, 30 + 15},
		{"no budget", func(l *breaker.Limits) { l.RetryBudget = 0 }, 30},
		{"one attempt", func(l *breaker.Limits) { l.MaxAttempts = 1 }, 30},
		{"a budget for all", func(l *breaker.Limits) { l.RetryBudget, l.MaxAttempts = 1, 2 }, 60},
		{"pauses that do not fit", func(l *breaker.Limits) { l.Backoff = breaker.Backoff{Initial: 1000 * time.Hour, Max: 1000 * time.Hour} }, 30},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, limits := defaults()
			row.change(&limits)
			inWorldOf(t, cfg, limits, func(w *world) {
				w.becomes(probesGet(passes, refuses(captcha.Fault)))
				start := time.Now()
				for range 30 {
					r := w.verify(w.t.Context(), one(0))
					if r.f == nil || r.f.Kind != captcha.Fault || r.f.Attempts > 1 && r.took == 0 {
						t.Errorf("%v after %v", r.f, r.took)
					}
				}
				if users, _ := w.reached(start); users != row.attempts {
					t.Errorf("%d attempts for 30 requests, want %d", users, row.attempts)
				}
			})
		})
	}
}

// C14: until the first twenty calls of a recovery have ended, five are in flight
// at most: should the probes have been wrong, few users wait.
func TestBreaker_SendsFewCanariesAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.traffic(100, 20*time.Second)
		w.becomes(after(20*time.Millisecond, passes))
		w.awaits(breaker.Recovering, 2*time.Second)
		time.Sleep(9 * time.Second) // nearly everybody is in the share
		w.becomes(probesGet(after(20*time.Millisecond, code(21)), hangs))
		start := time.Now()
		w.others.Go(func() { w.traffic(200, 200*time.Millisecond) })
		time.Sleep(210 * time.Millisecond)
		if users, _ := w.reached(start); users != 5 {
			t.Errorf("%d calls in flight, want 5", users)
		}
		w.others.Wait()
	})
}

// C6, C7: while recovering five requests a second are sent on at least, whatever
// the share of users is.
func TestBreaker_SendsFiveASecondWhileRecovering(t *testing.T) {
	cfg, limits := defaults()
	cfg.Ramp = 1000 * time.Hour
	inWorldOf(t, cfg, limits, func(w *world) {
		w.becomes(refuses(captcha.Overloaded)) // which says nothing, so the share stays
		w.b.Ramp(cfg.Ramp)
		sent := func() (n int) {
			for i := range 100 {
				if w.verify(w.t.Context(), user(i)).kind() != "recovering" {
					n++
				}
			}
			return n
		}
		for range 3 {
			if all, placed := sent(), sent(); all-placed != 5 || placed > 20 {
				t.Errorf("%d of 100 at once were sent on, and %d right after", all, placed)
			}
			time.Sleep(time.Second)
		}
	})
}

// The status shows the last fifty transitions, newest first.
func TestBreaker_ShowsFiftyTransitions(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 30 {
			w.b.Ramp(time.Millisecond)
			w.awaits(breaker.Closed, time.Second)
			synctest.Wait() // until the journal was told
		}
		all, shown := w.transitions(), w.b.Status().Transitions
		if len(all) != 60 || len(shown) != 50 || shown[0] != all[59] || shown[49] != all[10] {
			t.Errorf("%d of %d transitions are shown: %v", len(shown), len(all), shown)
		}
	})
}

// C14: two faults among the first calls of a recovery may be chance, three and no
// pass are not.
func TestBreaker_JudgesTheFirstCallsOfARecovery(t *testing.T) {
	for _, row := range []struct {
		name         string
		good, faulty int
		want         breaker.State
	}{
		{"two faults", 0, 2, breaker.Recovering},
		{"three faults", 0, 3, breaker.Open},
		{"three faults and a pass", 1, 3, breaker.Recovering},
		{"three faults of six calls", 3, 3, breaker.Recovering},
		{"three faults after twenty calls", 20, 3, breaker.Recovering},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, limits := defaults()
			limits.MaxAttempts, cfg.Ramp = 1, time.Hour
			inWorldOf(t, cfg, limits, func(w *world) {
				w.becomes(refuses(captcha.Fault))
				w.traffic(100, time.Second)
				w.becomes(passes)
				w.awaits(breaker.Recovering, 5*time.Second)
				user := w.sender()
				for range row.good {
					user(passes)
				}
				for range row.faulty {
					user(probesGet(passes, refuses(captcha.Fault)))
				}
				if s := w.b.State(); s != row.want {
					t.Errorf("circuit is %v, want %v", s, row.want)
				}
			})
		})
	}
}

// sender returns what sends one user after the other, and sees to it that each
// is sent on.
func (w *world) sender() func(a answerer) {
	n := 5_000_000
	return func(a answerer) {
		w.t.Helper()
		w.becomes(a)
		for range 100 {
			n++
			r := w.verify(w.t.Context(), user(n))
			if r.f == nil || r.f.Kind != captcha.Recovering {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		w.t.Fatal("nobody is sent on")
	}
}

// S5: a call whose signature expired on its way is signed anew, at once and
// once, without touching the retry budget; refused again, the account is.
func TestBreaker_SignsOnceMore(t *testing.T) {
	expired := func(context.Context, captcha.Ticket) (captcha.Verdict, error) {
		return captcha.Verdict{}, &captcha.Failure{Kind: captcha.Misconfigured, Code: "AuthFailure.SignatureExpire", Retryable: true}
	}
	cfg, limits := defaults()
	limits.MaxAttempts, limits.RetryBudget = 1, 0
	inWorldOf(t, cfg, limits, func(w *world) {
		first := true
		w.becomes(func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
			if first {
				first = false
				return expired(ctx, tk)
			}
			return passes(ctx, tk)
		})
		if r := w.verify(w.t.Context(), user(1)); r.kind() != "passed" || r.v.Attempts != 2 || r.took != 0 {
			t.Errorf("signed anew: %s after %d attempts and %v", r.kind(), r.v.Attempts, r.took)
		}
		w.becomes(expired)
		if r := w.verify(w.t.Context(), user(2)); r.kind() != "misconfigured" || r.f.Attempts != 2 {
			t.Errorf("refused twice: %s after %d attempts", r.kind(), r.f.Attempts)
		}
		synctest.Wait()
		if s := w.b.Status().Account; s.State != breaker.AccountRefused {
			t.Errorf("account %+v", s)
		}
	})
}

// C4: more calls than max_in_flight are not sent but fail at once; when one has
// come back there is room for the next.
func TestBreaker_CapsCallsInFlight(t *testing.T) {
	cfg, limits := defaults()
	limits.MaxInFlight, limits.MaxAttempts = 10, 1
	inWorldOf(t, cfg, limits, func(w *world) {
		w.becomes(after(100*time.Millisecond, passes))
		start := time.Now()
		w.others.Go(func() { w.traffic(1000, 10*time.Millisecond) })
		time.Sleep(15 * time.Millisecond)
		for n := range 5 {
			if r := w.verify(w.t.Context(), user(8_000_000+n)); r.kind() != "overloaded" || r.took != 0 {
				t.Errorf("the eleventh: %s after %v", r.kind(), r.took)
			}
		}
		if n := w.b.Status().InFlight; n != 10 || w.metric("captchagate_upstream_in_flight")[""] != 10 {
			t.Errorf("%d in flight, metric %v", n, w.metric("captchagate_upstream_in_flight"))
		}
		w.others.Wait()
		if r := w.verify(w.t.Context(), user(9_000_000)); r.kind() != "passed" {
			t.Errorf("with room again: %s", r.kind())
		}
		if users, _ := w.reached(start); users != 11 || w.b.Status().InFlight != 0 {
			t.Errorf("%d calls reached the API, %d are in flight", users, w.b.Status().InFlight)
		}
	})
}
