package breaker_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"captchagate/breaker"
	"captchagate/captcha"
)

// ways are how the API may be, whatever comes.
var ways = map[string]answerer{
	"passes":         after(20*time.Millisecond, passes),
	"slow":           after(600*time.Millisecond, passes),
	"hangs":          hangs,
	"faults":         after(5*time.Millisecond, refuses(captcha.Fault)),
	"throttles":      refuses(captcha.Throttled),
	"refuses":        refuses(captcha.Misconfigured),
	"half faults":    share(0.5, refuses(captcha.Fault), passes),
	"probes lie":     probesGet(after(20*time.Millisecond, code(21)), hangs),
	"users only":     probesGet(hangs, after(20*time.Millisecond, passes)),
	"comes too late": after(1500*time.Millisecond, passes),
}

// Whatever the API does and whenever: there is no way from open to closed
// without as many successful probes as are needed, the steps are those of the
// state machine, never two probes are in flight, and every request ends within
// the deadline.
func TestBreaker_StateMachine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfN(rapid.SampledFrom(keys(ways)), 1, 6).Draw(rt, "ways")
		lengths := rapid.SliceOfN(rapid.IntRange(1, 40), len(names), len(names)).Draw(rt, "half seconds")
		rate := rapid.IntRange(1, 150).Draw(rt, "rate")
		w, rs := history(t, names, lengths, rate)
		if w == nil {
			rt.Fatal("the bubble failed")
		}
		checkSteps(rt, w)
		for _, r := range rs {
			if r.took > 2*time.Second+50*time.Millisecond {
				rt.Fatalf("a request took %v", r.took)
			}
		}
		if w.most > 1 {
			rt.Fatalf("%d probes at once", w.most)
		}
	})
}

// history plays one history in a bubble of its own.
func history(t *testing.T, names []string, lengths []int, rate int) (played *world, rs results) {
	synctest.Test(t, func(t *testing.T) {
		cfg, limits := defaults()
		w := newWorld(t, cfg, limits, nil)
		w.becomes(ways[names[0]])
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.b.Run(ctx) })
		for i, name := range names {
			w.becomes(ways[name])
			rs = append(rs, w.traffic(rate, time.Duration(lengths[i])*500*time.Millisecond)...)
		}
		w.becomes(refuses(captcha.Fault))
		cancel()
		running.Wait()
		played = w
	})
	return played, rs
}

// checkSteps walks the transitions.
func checkSteps(rt *rapid.T, w *world) {
	allowed := map[[2]breaker.State]bool{
		{breaker.Closed, breaker.Open}:         true,
		{breaker.Open, breaker.HalfOpen}:       true,
		{breaker.HalfOpen, breaker.Open}:       true,
		{breaker.HalfOpen, breaker.Recovering}: true,
		{breaker.Recovering, breaker.Open}:     true,
		{breaker.Recovering, breaker.Closed}:   true,
	}
	at := breaker.Closed
	for i, tr := range w.transitions() {
		if tr.From != at || !allowed[[2]breaker.State{tr.From, tr.To}] {
			rt.Fatalf("step %d from %v to %v, circuit was %v", i, tr.From, tr.To, at)
		}
		if tr.Evidence == "" {
			rt.Fatalf("step %d came without evidence", i)
		}
		at = tr.To
	}
	if at != w.b.State() {
		rt.Fatalf("the last step led to %v, the circuit is %v", at, w.b.State())
	}
}

// keys in a fixed order, so that a failing history can be played again.
func keys(m map[string]answerer) []string { return slices.Sorted(maps.Keys(m)) }

// Late results of an earlier generation are ignored: calls that began before the
// circuit opened, and end as faults when it is well again, open nothing.
func TestBreaker_IgnoresLateResults(t *testing.T) {
	inWorld(t, func(w *world) {
		late := make(chan struct{})
		w.becomes(func(context.Context, captcha.Ticket) (captcha.Verdict, error) {
			<-late // without regard to the context, as a stuck call would
			return captcha.Verdict{}, &captcha.Failure{Kind: captcha.Fault, FateUnknown: true}
		})
		for n := range 50 {
			go w.verify(w.t.Context(), user(n))
		}
		w.awaits(breaker.Open, 2*time.Second)
		w.becomes(after(20*time.Millisecond, passes))
		w.awaits(breaker.Closed, 15*time.Second)
		before := w.b.Status()
		close(late)
		w.traffic(50, time.Second)
		after := w.b.Status()
		if len(after.Transitions) != len(before.Transitions) || after.Failures != 0 {
			t.Errorf("late results counted: %d failures, transitions %v", after.Failures, after.Transitions)
		}
	})
}
