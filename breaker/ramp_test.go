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

// C7: from a twentieth on the share of users at most doubles every 200 ms, and
// whoever is in stays in.
func TestBreaker_RampsUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.traffic(100, 20*time.Second)
		w.becomes(after(20*time.Millisecond, passes))
		w.awaits(breaker.Recovering, 2*time.Second)
		const crowd = 200 // the same people ask every 200 ms
		in, dropped, share := map[string]bool{}, 0, 0.0
		for step := range 10 {
			rs := w.trafficOf(1000, 200*time.Millisecond, func(n int) captcha.Ticket { return user(n % crowd) })
			passed := 0
			for _, r := range rs {
				switch who := r.who; r.kind() {
				case "passed":
					passed++
					in[who] = true
				case "recovering":
					if in[who] {
						dropped++
					}
				default:
					t.Errorf("in the ramp a user got %s", r.kind())
				}
			}
			sent := float64(passed) / crowd
			t.Logf("step %d: %.0f %% of users", step+1, 100*sent)
			if most := max(0.15, 2*share+0.1); sent > most { // the steps are not those of the ramp
				t.Errorf("step %d: %.0f %% of users, want at most %.0f %%", step+1, 100*sent, 100*most)
			}
			share = sent
		}
		if dropped > 20 { // five a second are sent on whoever they are
			t.Errorf("%d times a user who had been sent on was held back", dropped)
		}
		if share < 1 || w.b.State() != breaker.Closed {
			t.Errorf("%.0f %% after two seconds, circuit %v", 100*share, w.b.State())
		}
	})
}

// C6, C7: after an outage of whatever length the circuit leaves open by itself,
// and two seconds later every user is sent on.
func TestBreaker_ReturnsAsFastAsAnswersConfirm(t *testing.T) {
	for _, outage := range []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 10 * time.Minute} {
		for _, rate := range []int{20, 100, 500} {
			t.Run(fmt.Sprintf("%v at %d a second", outage, rate), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.traffic(rate, 5*time.Second)
					w.becomes(hangs)
					w.traffic(rate, 5*time.Second)
					time.Sleep(outage - 5*time.Second)
					w.becomes(after(20*time.Millisecond, passes))
					ended := time.Now()
					most := map[bool]time.Duration{true: 2 * time.Second, false: 10 * time.Second}[rate >= 100]
					rs := w.traffic(rate, leavesWithin(outage)+most+time.Second)
					r := w.returned(ended, rs)
					t.Logf("left open after %v, everybody sent on %v later, closed after %v", r.left, r.all, r.closed)
					if r.all > most {
						t.Errorf("everybody sent on after %v, want %v", r.all, most)
					}
					if most := leavesWithin(outage); r.left > most {
						t.Errorf("left open after %v, want %v", r.left, most)
					}
					if n := len(modeChanges(w.transitions())); n != 2 {
						t.Errorf("%d mode changes: %v", n, w.transitions())
					}
				})
			})
		}
	}
}

func leavesWithin(outage time.Duration) time.Duration {
	switch {
	case outage <= 30*time.Second:
		return 1500 * time.Millisecond
	case outage <= time.Minute:
		return 3 * time.Second
	}
	return 6 * time.Second
}

// comeback is how an outage ended.
type comeback struct {
	left   time.Duration // from its end until the circuit left open
	all    time.Duration // from then until the last user was held back
	closed time.Duration // from its end
}

func (w *world) returned(ended time.Time, rs results) (c comeback) {
	w.t.Helper()
	var left time.Time
	for _, tr := range w.transitions() {
		switch {
		case tr.At.Before(ended):
		case tr.From == breaker.Open && left.IsZero():
			left = tr.At
		case tr.To == breaker.Closed:
			c.closed = tr.At.Sub(ended)
		}
	}
	if left.IsZero() || c.closed == 0 {
		w.t.Fatalf("it did not return: %v", w.transitions())
	}
	c.left = left.Sub(ended)
	for _, r := range rs {
		if r.kind() != "passed" {
			c.all = max(c.all, r.at.Sub(left))
		}
	}
	return c
}

// S7: a circuit that closed keeps nothing more of what comes back.
func TestBreaker_ForgetsTheRampOnceItIsOver(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.traffic(100, 2*time.Second)
		w.becomes(after(20*time.Millisecond, passes))
		w.traffic(100, 5*time.Second)
		before := w.b.RampKeeps()
		w.traffic(1000, 2*time.Second)
		if now := w.b.RampKeeps(); w.b.State() != breaker.Closed || now != before {
			t.Errorf("circuit %v; %d answers are kept, %d more than when it closed", w.b.State(), now, now-before)
		}
	})
}

// C7: what a strain does to the share of users, and what does not strain.
func TestBreaker_HalvesTheShareOnAStrain(t *testing.T) {
	long(t)
	for name, row := range map[string]struct {
		before, after answerer
		back          bool // everybody is sent on within three seconds
	}{
		"as before":               {after(20*time.Millisecond, passes), after(20*time.Millisecond, passes), true},
		"nothing known of before": {refuses(captcha.Fault), after(20*time.Millisecond, passes), true},
		"faults as before": {
			after(20*time.Millisecond, share(0.2, refuses(captcha.Fault), passes)),
			after(20*time.Millisecond, share(0.2, refuses(captcha.Fault), passes)), true,
		},
		"always slower than before": {after(20*time.Millisecond, passes), after(300*time.Millisecond, passes), true},
		"users' answers slower than probes'": {
			after(20*time.Millisecond, passes), probesGet(after(20*time.Millisecond, passes), after(300*time.Millisecond, passes)), true,
		},
		"faults by load":     {after(20*time.Millisecond, passes), crowdedAt(10, refuses(captcha.Fault)), false},
		"slow by load":       {after(20*time.Millisecond, passes), crowdedAt(10, after(300*time.Millisecond, passes)), false},
		"no answers by load": {after(20*time.Millisecond, passes), crowdedAt(10, hangs), false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(row.before)
				w.traffic(300, 10*time.Second)
				w.becomes(probesGet(refuses(captcha.Fault), refuses(captcha.Fault)))
				w.traffic(300, 10*time.Second)
				w.becomes(row.after)
				w.awaits(breaker.Recovering, 4*time.Second)
				rs := w.traffic(300, 8*time.Second)
				first, last := rs[:3*300], rs[3*300:]
				t.Logf("%d of %d users sent on in the first three seconds, then %d of %d", sentOn(first), len(first), sentOn(last), len(last))
				if back := sentOn(last) == len(last); back != row.back || sentOn(last) < len(last)/10 {
					t.Errorf("everybody is sent on: %v; %v", back, w.transitions())
				}
			})
		})
	}
}

func sentOn(rs results) int { return len(rs) - rs.count("recovering") - rs.count("circuit_open") }

// crowdedAt answers so many calls quickly in a tenth of a second, and those above
// with a.
func crowdedAt(most int, a answerer) answerer {
	var mu sync.Mutex
	var quick []time.Time
	return func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		mu.Lock()
		now := time.Now()
		for len(quick) > 0 && now.Sub(quick[0]) > 100*time.Millisecond {
			quick = quick[1:]
		}
		crowded := len(quick) >= most
		if !crowded {
			quick = append(quick, now)
		}
		mu.Unlock()
		if crowded {
			return a(ctx, t)
		}
		return after(20*time.Millisecond, passes)(ctx, t)
	}
}

// C7: faults that come with the load hold the return up, though they are too few
// to open the circuit.
func TestBreaker_HalvesTheShareOnFaults(t *testing.T) {
	sent := map[string]int{}
	for name, api := range map[string]answerer{
		"well":           after(20*time.Millisecond, passes),
		"faults by load": crowdedAt(20, refuses(captcha.Fault)),
	} {
		inWorld(t, func(w *world) {
			w.traffic(300, 10*time.Second)
			w.becomes(refuses(captcha.Fault))
			w.traffic(300, 10*time.Second)
			w.becomes(api)
			w.awaits(breaker.Recovering, 4*time.Second)
			sent[name] = sentOn(w.traffic(300, 3*time.Second))
		})
	}
	if sent["faults by load"] > sent["well"]*9/10 {
		t.Errorf("users sent on in three seconds: %v", sent)
	}
}
