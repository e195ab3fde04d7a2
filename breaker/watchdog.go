package breaker

import (
	"context"
	"fmt"
	"time"
)

const (
	// minStall is the shortest silence that opens the circuit, whatever the usual
	// latency: an API that pauses for 200 ms is not away.
	minStall = 250 * time.Millisecond
	// minSilence is the shortest silence that is looked into.
	minSilence = minStall * 2 / 5
	// minWait is how long a call must have waited, at least, to count as standing.
	minWait = minStall / 5
)

// A watchdog opens the circuit on what no finished call can bring to gobreaker:
// calls that have stalled, and answers that are right but slow.
type watchdog struct {
	cfg       Config
	inFlight  *inFlight
	latencies *latencies
	circuit   *circuit
	busy      chan struct{} // calls are in flight
}

// run watches whenever calls are in flight, until ctx ends.
func (w *watchdog) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.busy:
			w.watch(ctx)
		}
	}
}

// wake has run watch again, a first call being in flight.
func (w *watchdog) wake() { offer(w.busy, struct{}{}) }

// watch looks every tickEvery, as long as calls are in flight.
func (w *watchdog) watch(ctx context.Context) {
	ticks := time.NewTicker(tickEvery)
	defer ticks.Stop()
	for w.tick(time.Now()) {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// tick looks once, and reports whether calls are in flight.
func (w *watchdog) tick(now time.Time) bool {
	if w.inFlight.tick(now) == 0 {
		return false
	}
	s := w.circuit.snapshot.Load()
	if s.sends() {
		if reason := w.reasonToTrip(s, now); reason != "" {
			w.circuit.trip(s.generation, reason)
		}
	}
	return true
}

// reasonToTrip returns why the circuit should open; "" if it should not. What is
// not certain it leaves to the prober.
func (w *watchdog) reasonToTrip(s *snapshot, now time.Time) string {
	g := s.generation
	stall, doubt := w.stalled(g, now)
	w.circuit.mailbox.suspect(doubt)
	if reason := w.circuit.corroborated(g, stall, now); reason != "" {
		return reason
	}
	return w.circuit.corroborated(g, g.evidence.judge(now, s.onTrial(g)), now)
}

// stalled returns what calls amount to that wait for longer than recent latency
// explains while none comes back. Many are a reason to trip. Before they are, and
// if they are few, there is a doubt, and a probe tells: if it stands as well the
// API is away, and if it is answered perhaps only their connections are dead.
func (w *watchdog) stalled(g *generation, now time.Time) (reason, doubt finding) {
	if w.inFlight.waiting(g, now, minWait).silence < minSilence {
		return finding{}, finding{}
	}
	bounds := w.thresholds()
	calls := w.inFlight.waiting(g, now, bounds.wait)
	found := finding{
		text:     fmt.Sprintf("%d of %d calls standing, none back for %v, median is %s", calls.older, calls.calls, round(calls.silence), bounds.usual),
		prefixes: calls.prefixes,
		stalled:  true,
	}
	switch {
	case calls.silence >= bounds.trip && calls.older >= w.cfg.MinRequests:
		return found, finding{}
	case calls.silence >= bounds.doubt && calls.older >= w.cfg.MinRequests/2,
		calls.silence >= bounds.unusual && calls.older > 0:
		return finding{}, found
	}
	return finding{}, finding{}
}

// thresholds are what standing calls are measured by.
type thresholds struct {
	wait    time.Duration // after which a call counts as standing
	doubt   time.Duration // silence that a probe looks into, if many calls stand
	trip    time.Duration // silence that opens, if many do
	unusual time.Duration // silence that a probe looks into, if one does
	usual   string        // the median latency
}

// thresholds follow from recent latency, and from SlowCall while that is not
// known.
func (w *watchdog) thresholds() thresholds {
	t := thresholds{wait: minWait, trip: w.cfg.SlowCall, unusual: w.cfg.SlowCall, usual: "not known yet"}
	if qs, ok := w.latencies.quantiles(0.5, 0.99); ok {
		median, p99 := qs[0], qs[1]
		t.wait, t.usual = max(minWait, 2*median), fmt.Sprint(round(median))
		t.trip = max(minStall, 3*median)
		t.unusual = max(minStall, min(10*p99, w.cfg.SlowCall))
	}
	t.doubt = t.trip * 2 / 5
	return t
}

// offer puts v into c unless c is full: whoever receives has been woken then.
func offer[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}
