package breaker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// outage has rate users a second meet an API as it usually is for ten seconds, and
// none for ten more.
func (w *world) outage(rate int, usual answerer) {
	w.becomes(usual)
	w.traffic(rate, 10*time.Second)
	w.becomes(hangs)
	w.traffic(rate, 10*time.Second)
}

// C7: what users' answers took before the outage is the measure, not only what
// probes take: they ask about a disaster ticket, which may be answered sooner.
func TestBreaker_ReturnsWhereProbesAreAnsweredSooner(t *testing.T) {
	for _, rate := range []int{20, 100} {
		t.Run(fmt.Sprintf("%d a second", rate), func(t *testing.T) {
			inWorld(t, func(w *world) {
				usual := probesGet(after(20*time.Millisecond, code(21)), after(150*time.Millisecond, passes))
				w.outage(rate, usual)
				w.becomes(usual)
				ended := time.Now()
				if r := w.returned(ended, w.traffic(rate, 8*time.Second)); r.all > 2*time.Second {
					t.Errorf("everybody sent on after %v", r.all)
				}
			})
		})
	}
}

// C7: faults that come as before the outage hold nobody up, also where they come in
// runs, and the first calls of the recovery meet none.
func TestBreaker_ReturnsToAnAPIThatAlwaysHadFaults(t *testing.T) {
	inWorld(t, func(w *world) {
		runs := func() answerer { // twelve of twenty tickets pass, then eight do not
			var mu sync.Mutex
			ill := map[string]bool{}
			return probesGet(after(20*time.Millisecond, code(21)), func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
				mu.Lock()
				fault, asked := ill[tk.Value]
				if !asked {
					fault = len(ill)%20 >= 12
					ill[tk.Value] = fault
				}
				mu.Unlock()
				if fault {
					return after(20*time.Millisecond, refuses(captcha.Fault))(ctx, tk)
				}
				return after(20*time.Millisecond, passes)(ctx, tk)
			})
		}
		w.outage(300, runs())
		w.becomes(runs())
		w.awaits(breaker.Recovering, 2*time.Second)
		began := time.Now()
		for _, r := range w.traffic(300, 8*time.Second) {
			if at := r.at.Sub(began); r.kind() == "recovering" && at > 2*time.Second {
				t.Fatalf("a user held back after %v", at)
			}
		}
	})
}

// C7: a recovery is held against an API that warms up as soon as it has. This one
// takes 450 ms at first and 20 a second later, but can do 100 calls a second only.
func TestBreaker_HoldsBackFromAWeakAPIThatWarmedUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.outage(280, after(20*time.Millisecond, passes))
		api := &weak{began: time.Now(), capacity: flat(100.0), latency: func(at time.Duration) time.Duration {
			return max(450*time.Millisecond-at*45/100, 20*time.Millisecond)
		}}
		w.becomes(api.answer)
		const lasts = 15 * time.Second
		rs := w.traffic(280, lasts)
		could, waited := api.could(280, 0, lasts), rs.tookOver(500*time.Millisecond)
		t.Logf("%d of %.0f verified, %d waited over half a second", rs.count("passed"), could, waited)
		if float64(rs.count("passed")) < 0.75*could || waited > len(rs)/100 {
			t.Errorf("%d of %.0f verified; %d of %d waited over half a second", rs.count("passed"), could, waited, len(rs))
		}
	})
}

func (rs results) tookOver(d time.Duration) (n int) {
	for _, r := range rs {
		if r.took > d {
			n++
		}
	}
	return n
}

// C7, C8: an API that comes back nearly strong enough works a line off that grows by
// a few milliseconds a second. It is not closed on before that line is gone, and
// nobody waits in it for long.
func TestBreaker_DoesNotCloseOnALineThatGrows(t *testing.T) {
	long(t)
	for _, row := range []struct {
		capacity float64
		latency  time.Duration
	}{
		{255, 20 * time.Millisecond}, {270, 20 * time.Millisecond},
		{255, 150 * time.Millisecond}, {270, 150 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%v calls a second in %v", row.capacity, row.latency), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.outage(280, after(row.latency, passes))
				api := &weak{began: time.Now(), latency: flat(row.latency), capacity: func(at time.Duration) float64 {
					if at < 25*time.Second {
						return row.capacity
					}
					return 320
				}}
				w.becomes(api.answer)
				rs := w.traffic(280, 40*time.Second)
				could, waited := api.could(280, 0, 40*time.Second), rs.tookOver(400*time.Millisecond)
				t.Logf("%d of %.0f verified, %d waited over 400 ms", rs.count("passed"), could, waited)
				if float64(rs.count("passed")) < 0.88*could || waited > len(rs)/100 {
					t.Errorf("%d of %.0f verified; %d of %d waited over 400 ms", rs.count("passed"), could, waited, len(rs))
				}
				if n := len(modeChanges(w.transitions())); n != 2 || w.b.State() != breaker.Closed {
					t.Errorf("%d mode changes, circuit %v: %v", n, w.b.State(), w.transitions())
				}
			})
		})
	}
}

// C7: what halves the share when it is small costs a ramp at most.
func TestBreaker_ReturnsWithinARampAfterAHiccup(t *testing.T) {
	inWorld(t, func(w *world) {
		w.outage(300, after(20*time.Millisecond, passes))
		w.becomes(after(20*time.Millisecond, passes))
		w.awaits(breaker.Recovering, 2*time.Second)
		began := time.Now()
		w.becomes(func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
			if at := time.Since(began); at >= 200*time.Millisecond && at < 400*time.Millisecond {
				return after(300*time.Millisecond, passes)(ctx, tk)
			}
			return after(20*time.Millisecond, passes)(ctx, tk)
		})
		rs := w.traffic(300, 14*time.Second)
		var all time.Duration
		for _, r := range rs {
			if r.kind() != "passed" {
				all = r.at.Sub(began)
			}
		}
		t.Logf("everybody sent on after %v", all)
		if all < 2*time.Second || all > 10500*time.Millisecond {
			t.Errorf("everybody sent on after %v, want a hiccup to tell, and cost a ramp at most", all)
		}
	})
}

// C7, C11: an API that comes back at a third of its capacity for good gets what it can
// take, also where its answers usually take a tenth of a second, half of a step.
func TestBreaker_ReturnsToAWeakAPIThatIsFar(t *testing.T) {
	for latency, row := range map[time.Duration]struct{ least, wait float64 }{
		20 * time.Millisecond:  {0.8, 0.02},
		100 * time.Millisecond: {0.57, 0.12},
	} {
		t.Run(latency.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.outage(280, after(latency, passes))
				api := &weak{began: time.Now(), capacity: flat(100.0), latency: flat(latency)}
				w.becomes(api.answer)
				const lasts = 20 * time.Second
				rs := w.traffic(280, lasts)
				could, waited := api.could(280, 0, lasts), rs.tookOver(400*time.Millisecond)
				t.Logf("%d of %.0f verified, %d waited over 400 ms, %d transitions", rs.count("passed"), could, waited, len(w.transitions()))
				if float64(rs.count("passed")) < row.least*could || float64(waited) > row.wait*float64(len(rs)) {
					t.Errorf("%d of %.0f verified; %d of %d waited over 400 ms", rs.count("passed"), could, waited, len(rs))
				}
			})
		})
	}
}

// C7: the faults that begin an outage by night, one a second, are not taken for the
// usual ones by day: what load does then holds users back.
func TestBreaker_DoesNotTakeTheOutageForUsual(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(1, 30*time.Second)
		w.becomes(refuses(captcha.Fault))
		w.traffic(1, 30*time.Second)
		w.becomes(crowdedAt(19, refuses(captcha.Fault)))
		w.awaits(breaker.Recovering, 4*time.Second)
		rs := w.traffic(300, 5*time.Second)
		if held := rs.count("recovering"); held < len(rs)/5 {
			t.Errorf("%d of %d users held back from an API that a third of them would be too many for", held, len(rs))
		}
	})
}

// C7: answers that vary, most around 45 ms and some over 200, hold nobody up.
func TestBreaker_ReturnsWhereAnswersVary(t *testing.T) {
	for _, rate := range []int{100, 300} {
		t.Run(fmt.Sprintf("%d a second", rate), func(t *testing.T) {
			inWorld(t, func(w *world) {
				vary := varies(25*time.Millisecond, 25*time.Millisecond)
				w.outage(rate, vary)
				w.becomes(vary)
				ended := time.Now()
				r := w.returned(ended, w.traffic(rate, 6*time.Second))
				t.Logf("everybody sent on after %v", r.all)
				if r.all > 2*time.Second {
					t.Errorf("everybody sent on after %v", r.all)
				}
			})
		})
	}
}

// varies passes all after at least so long, and on average more beyond that, as calls
// through a network and a queue do.
func varies(least, more time.Duration) answerer {
	r := rand.New(rand.NewPCG(3, 4))
	var mu sync.Mutex
	return func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
		mu.Lock()
		d := least + time.Duration(r.ExpFloat64()*float64(more))
		mu.Unlock()
		return after(d, passes)(ctx, tk)
	}
}

// C7: a process that started within the outage, and knows nothing of before it, measures
// users by what theirs take, and not by probes alone, which may be answered sooner.
func TestBreaker_ReturnsAfterARestartWithinTheOutage(t *testing.T) {
	for _, rate := range []int{100, 300} {
		t.Run(fmt.Sprintf("%d a second", rate), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(refuses(captcha.Fault))
				w.traffic(rate, 10*time.Second)
				w.becomes(probesGet(after(2*time.Millisecond, code(21)), after(60*time.Millisecond, passes)))
				ended := time.Now()
				r := w.returned(ended, w.traffic(rate, 6*time.Second))
				t.Logf("everybody sent on after %v, closed %v", r.all, r.closed)
				if r.all > 2*time.Second {
					t.Errorf("everybody sent on after %v", r.all)
				}
			})
		})
	}
}

// C7: an API that is slower than before for good, by less than twice, gets everybody. What
// answers take at the smallest share is no line.
func TestBreaker_ReturnsToAnAPIThatIsALittleSlower(t *testing.T) {
	for _, took := range []time.Duration{24 * time.Millisecond, 35 * time.Millisecond, 39 * time.Millisecond} {
		t.Run(took.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.outage(100, after(20*time.Millisecond, passes))
				w.becomes(probesGet(after(20*time.Millisecond, code(21)), after(took, passes)))
				ended := time.Now()
				r := w.returned(ended, w.traffic(100, 6*time.Second))
				t.Logf("everybody sent on after %v, closed %v", r.all, r.closed)
				if r.all > 2*time.Second {
					t.Errorf("everybody sent on after %v", r.all)
				}
			})
		})
	}
}
