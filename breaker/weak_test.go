package breaker_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// A weak API works calls off one after the other, in the order in which they came,
// as quickly as it can at that time; its answers take some time more.
type weak struct {
	capacity func(at time.Duration) float64       // calls a second; 0 is ill: none is answered
	latency  func(at time.Duration) time.Duration // beside waiting
	began    time.Time

	mu      sync.Mutex
	free    time.Time // when the last in line will be done
	offered []int     // calls in each tenth of a second
}

func (a *weak) answer(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	a.mu.Lock()
	now := time.Now()
	at := now.Sub(a.began)
	for len(a.offered) <= int(at/slot) {
		a.offered = append(a.offered, 0)
	}
	a.offered[at/slot]++
	capacity := a.capacity(at)
	if capacity == 0 {
		a.mu.Unlock()
		return hangs(ctx, t)
	}
	if a.free.Before(now) {
		a.free = now
	}
	a.free = a.free.Add(time.Duration(float64(time.Second) / capacity))
	wait := a.free.Sub(now)
	a.mu.Unlock()
	return after(wait+a.latency(at), passes)(ctx, t)
}

const slot = 100 * time.Millisecond

// could is how many of rate users a second it could have verified from then on.
func (a *weak) could(rate int, from, to time.Duration) (n float64) {
	for at := from; at < to; at += slot {
		if a.latency(at) <= 500*time.Millisecond {
			n += min(a.capacity(at), float64(rate)) * slot.Seconds()
		}
	}
	return n
}

// overload is for how long at a stretch it was offered more than 1.5 times what it
// could do, two tenths of a second taken together.
func (a *weak) overload(from, to time.Duration) (longest time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	could := func(i int) float64 { return a.capacity(time.Duration(i)*slot) * slot.Seconds() }
	var run time.Duration
	for i := int(from/slot) + 1; i < min(int(to/slot), len(a.offered)); i++ {
		run += slot
		if calls := float64(a.offered[i-1] + a.offered[i]); calls < 5 || calls <= 1.5*(could(i-1)+could(i)) { // probes are few
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

func flat[T any](v T) func(time.Duration) T { return func(time.Duration) T { return v } }

// C7, C8, C11: an API that comes back weak gets what it can take and little more,
// and the circuit neither stays away from it nor flaps: one that comes back at a
// third of its capacity and grows over 20 s, one that comes back slow and warms up,
// one that is well for a second and then ill again.
func TestBreaker_ReturnsToAWeakAPI(t *testing.T) {
	long(t)
	const rate, sick, end = 280, 10 * time.Second, 20 * time.Second // when the outage begins and ends
	ill := func(capacity func(since time.Duration) float64) func(time.Duration) float64 {
		return func(at time.Duration) float64 {
			switch {
			case at < sick:
				return 300
			case at < end:
				return 0
			}
			return capacity(at - end)
		}
	}
	for name, row := range map[string]struct {
		capacity func(time.Duration) float64
		latency  func(time.Duration) time.Duration
		lasts    time.Duration
	}{
		"a third": {
			ill(func(since time.Duration) float64 { return min(100+10*since.Seconds(), 300) }),
			flat(20 * time.Millisecond), 30 * time.Second,
		},
		"slow": {
			ill(flat(300.0)),
			func(at time.Duration) time.Duration {
				if at < end {
					return 20 * time.Millisecond
				}
				return max(600*time.Millisecond-(at-end)*58/1000, 20*time.Millisecond)
			}, 40 * time.Second,
		},
		"false dawn": {
			ill(func(since time.Duration) float64 {
				if since > 2*time.Second && since < 12*time.Second {
					return 0
				}
				return 300
			}),
			flat(20 * time.Millisecond), 42 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				api := &weak{capacity: row.capacity, latency: row.latency, began: time.Now()}
				w.becomes(api.answer)
				w.traffic(rate, end)
				rs := w.traffic(rate, row.lasts)
				could := api.could(rate, end, end+row.lasts)
				most := api.overload(end, end+row.lasts)
				t.Logf("%d of %.0f verified (%.1f %%); too much offered for %v at most", rs.count("passed"), could, 100*float64(rs.count("passed"))/could, most)
				if n := modeChanges(w.transitions()); len(n) > 2 || w.b.State() != breaker.Closed {
					t.Errorf("%d mode changes, circuit %v: %v", len(n), w.b.State(), w.transitions())
				}
				if float64(rs.count("passed")) < 0.9*could || most > 500*time.Millisecond {
					t.Errorf("%d verified where %.0f could have been; too much offered for %v", rs.count("passed"), could, most)
				}
			})
		})
	}
}
