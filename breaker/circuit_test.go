package breaker_test

import (
	"context"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// C1: fast faults open the circuit within 250 ms.
func TestBreaker_OpensOnFastFaults(t *testing.T) {
	for name, rate := range map[string]int{"100 a second": 100, "500 a second": 500, "2000 a second": 2000} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.traffic(rate, 3*time.Second)
				w.becomes(after(5*time.Millisecond, refuses(captcha.Fault)))
				start := time.Now()
				go w.traffic(rate, time.Second)
				took := w.awaits(breaker.Open, time.Second)
				t.Logf("opened after %v: %s", took, w.b.Status().Evidence)
				if took > 250*time.Millisecond {
					t.Errorf("opened after %v, want within 250ms", took)
				}
				if users, _ := w.reached(start); users > 256 {
					t.Errorf("%d doomed calls, want at most 256", users)
				}
				time.Sleep(2 * time.Second)
			})
		})
	}
}

// C1: ten distinct tickets in a row open it, whatever their spacing.
func TestBreaker_OpensOnTenTicketsInARow(t *testing.T) {
	for name, spacing := range map[string]time.Duration{"quick": 20 * time.Millisecond, "a minute": time.Minute, "nine minutes": 9 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(refuses(captcha.Fault))
				for n := range 10 {
					if w.b.State() != breaker.Closed {
						t.Fatalf("open after %d tickets", n)
					}
					w.verify(w.t.Context(), user(n))
					time.Sleep(spacing)
				}
				if w.b.State() != breaker.Open {
					t.Errorf("circuit is %v after ten tickets in a row", w.b.State())
				}
			})
		})
	}
}

// C2: in a hang answers are fast again within 300 ms; C3: from then on only
// probes reach the API; C6: full verdicts are back 1.5 s after 30 s.
func TestBreaker_SurvivesAHang(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(200, 5*time.Second)
		w.becomes(hangs)
		start := time.Now()
		rs := w.traffic(200, 30*time.Second)
		opened := w.transitions()[0].At.Sub(start)
		t.Logf("opened after %v: %s", opened, w.transitions()[0].Evidence)
		if opened > 300*time.Millisecond {
			t.Errorf("opened after %v, want within 300ms", opened)
		}
		for _, r := range rs {
			if r.took > 300*time.Millisecond {
				t.Fatalf("a user waited %v at %v", r.took, r.at.Sub(start))
			}
			if r.kind() != "circuit_open" {
				t.Fatalf("a user got %s at %v", r.kind(), r.at.Sub(start))
			}
		}
		users, probes := w.reached(w.transitions()[0].At.Add(time.Nanosecond))
		t.Logf("after opening %d users' calls and %d probes reached the API", users, probes)
		if users > 0 || probes > 40 || w.most > 1 {
			t.Errorf("after opening %d users' calls and %d probes, %d at once, reached the API", users, probes, w.most)
		}
		w.becomes(after(20*time.Millisecond, passes))
		ended := time.Now()
		rs = w.traffic(200, 20*time.Second)
		back, ok := rs.first("passed")
		t.Logf("first full verdict after %v", back.Sub(ended))
		if !ok || back.Sub(ended) > 1500*time.Millisecond {
			t.Errorf("first full verdict after %v (%v), want within 1.5s", back.Sub(ended), ok)
		}
		if w.b.State() != breaker.Closed {
			t.Errorf("circuit is %v 20 s after the outage", w.b.State())
		}
	})
}

// C3, C6: an idle gateway probes sparingly and recovers too.
func TestBreaker_RecoversWithoutTraffic(t *testing.T) {
	for name, c := range map[string]struct {
		outage, within time.Duration
		probes         int
		fault          answerer
	}{
		"5 s hang":           {5 * time.Second, 1500 * time.Millisecond, 10, hangs},
		"30 s hang":          {30 * time.Second, 1500 * time.Millisecond, 40, hangs},
		"60 s hang":          {60 * time.Second, 3 * time.Second, 60, hangs},
		"60 s refused":       {60 * time.Second, 3 * time.Second, 60, refuses(captcha.Fault)},
		"87 minutes refused": {87 * time.Minute, 6 * time.Second, 87 * 20, refuses(captcha.Fault)},
		"87 minutes slow":    {87 * time.Minute, 6 * time.Second, 87 * 20, after(600*time.Millisecond, passes)},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(c.fault)
				w.traffic(100, 1500*time.Millisecond)
				w.awaits(breaker.Open, time.Second)
				opened := w.transitions()[0].At
				time.Sleep(c.outage)
				_, probes := w.reached(opened)
				if probes > c.probes {
					t.Errorf("%d probes, want at most %d", probes, c.probes)
				}
				w.becomes(after(20*time.Millisecond, code(21)))
				took := w.awaits(breaker.HalfOpen, 10*time.Second)
				w.awaits(breaker.Recovering, time.Second)
				t.Logf("%d probes; left open after %v", probes, took)
				if took > c.within {
					t.Errorf("left open after %v, want within %v", took, c.within)
				}
				w.awaits(breaker.Closed, 11*time.Second)
				if len(w.transitions()) != 4 {
					t.Errorf("%d transitions, want 4: %v", len(w.transitions()), w.transitions())
				}
			})
		})
	}
}

// C9: nothing that users do opens the circuit.
func TestBreaker_IsNotOpenedFromOutside(t *testing.T) {
	long(t)
	one := func(int) captcha.Ticket { return user(1) }
	for name, c := range map[string]struct {
		answer answerer
		who    func(int) captcha.Ticket
	}{
		"forged":                        {code(15), user},
		"expired":                       {code(8), user},
		"replayed":                      {code(9), one},
		"of another site":               {code(16), user},
		"of another key":                {code(100), user},
		"called invalid":                {func(context.Context, captcha.Ticket) (captcha.Verdict, error) { return captcha.Verdict{}, nil }, user},
		"throttled":                     {refuses(captcha.Throttled), user},
		"one ticket that the API hates": {probesGet(passes, refuses(captcha.Fault)), one},
		"tickets of one neighbourhood":  {probesGet(passes, refuses(captcha.Fault)), oneNeighbourhood},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(after(10*time.Millisecond, c.answer))
				w.trafficOf(1000, 5*time.Second, c.who)
				if len(w.transitions()) > 0 {
					t.Errorf("transitions: %v", w.transitions())
				}
			})
		})
	}
}

func oneNeighbourhood(n int) captcha.Ticket {
	t := user(n)
	t.UserIP = user(1).UserIP
	return t
}

// C9: callers that hang up are no evidence.
func TestBreaker_IgnoresCallersThatHangUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(after(300*time.Millisecond, passes))
		for n := range 2000 {
			ctx, cancel := context.WithTimeout(w.t.Context(), 50*time.Millisecond)
			go func() {
				defer cancel()
				w.verify(ctx, user(n))
			}()
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if len(w.transitions()) > 0 {
			t.Errorf("transitions: %v", w.transitions())
		}
	})
}

// C1: fewer than three neighbourhoods open the circuit once a probe fails too.
func TestBreaker_ProbesBeforeItBelievesFew(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		go w.trafficOf(100, time.Second, oneNeighbourhood)
		took := w.awaits(breaker.Open, time.Second)
		t.Logf("opened after %v: %s", took, w.b.Status().Evidence)
		if took > 250*time.Millisecond {
			t.Errorf("opened after %v", took)
		}
		time.Sleep(time.Second)
	})
}

// C10: a probe that never returns counts as failed after its time-out.
func TestBreaker_GivesUpOnAProbe(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.traffic(100, time.Second)
		dead := make(chan struct{})
		w.becomes(func(context.Context, captcha.Ticket) (captcha.Verdict, error) {
			<-dead
			return captcha.Verdict{}, nil
		})
		time.Sleep(10 * time.Second)
		w.becomes(after(20*time.Millisecond, code(21)))
		w.awaits(breaker.Recovering, 2500*time.Millisecond)
		close(dead)
	})
}

// C13: an API that pauses for 200 ms opens nothing.
func TestBreaker_ToleratesAPause(t *testing.T) {
	for _, rate := range []int{50, 200, 500, 1000} {
		inWorld(t, func(w *world) {
			w.traffic(rate, 5*time.Second)
			until := time.Now().Add(200 * time.Millisecond)
			w.becomes(func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
				return after(time.Until(until)+20*time.Millisecond, passes)(ctx, t)
			})
			rs := w.traffic(rate, 3*time.Second)
			if len(w.transitions()) > 0 || rs.count("passed") != len(rs) {
				t.Errorf("at %d/s: %d of %d passed, transitions %v", rate, rs.count("passed"), len(rs), w.transitions())
			}
		})
	}
}

// C14: while probes are answered and verification is not, the circuit never
// closes, and few users pay for it.
func TestBreaker_IsNotFooledByProbes(t *testing.T) {
	for name, fault := range map[string]answerer{"faults": refuses(captcha.Fault), "hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(probesGet(after(20*time.Millisecond, code(21)), fault))
				w.traffic(100, 60*time.Second)
				for _, tr := range w.transitions() {
					if tr.To == breaker.Closed {
						t.Fatalf("closed: %v", w.transitions())
					}
				}
				users, probes := w.reached(w.transitions()[0].At.Add(time.Nanosecond))
				t.Logf("%d users' calls and %d probes after opening, %d transitions", users, probes, len(w.transitions()))
				if len(w.transitions()) < 4 || users > 400 {
					t.Errorf("%d transitions, %d users' calls", len(w.transitions()), users)
				}
			})
		})
	}
}

// A refused account is a circuit of its own.
func TestBreaker_AsksARefusedAccountOnlyByProbe(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(after(10*time.Millisecond, refuses(captcha.Misconfigured)))
		start := time.Now()
		rs := w.traffic(500, 10*time.Second)
		users, probes := w.reached(start)
		if rs.count("misconfigured") != len(rs) || users > 10 || probes > 15 {
			t.Errorf("%d of %d misconfigured, %d users' calls, %d probes", rs.count("misconfigured"), len(rs), users, probes)
		}
		if st := w.b.Status(); st.State != breaker.Closed || st.Account.State != breaker.AccountRefused || st.Account.Code != "X" {
			t.Errorf("status %+v", st)
		}
		w.becomes(after(10*time.Millisecond, passes))
		time.Sleep(1200 * time.Millisecond)
		if rs := w.traffic(100, time.Second); rs.count("passed") != len(rs) {
			t.Errorf("%d of %d passed after the account was accepted", rs.count("passed"), len(rs))
		}
		if len(w.transitions()) != 0 || len(w.accounts()) != 2 {
			t.Errorf("transitions %v, account %v", w.transitions(), w.accounts())
		}
	})
}
