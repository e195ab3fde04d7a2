package breaker

import (
	"context"
	"fmt"
	"time"
)

// minStall is the shortest silence that opens the circuit, whatever the usual
// latency: an API that pauses for 200 ms is not away.
const minStall = 250 * time.Millisecond

// A watchdog opens the circuit on what no finished call can bring to gobreaker:
// calls that have stalled, answers that are right but slow, a quorum of the
// peers.
type watchdog struct {
	cfg       Config
	inFlight  *inFlight
	latencies *latencies
	circuit   *circuit
	peers     Peers
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

// reasonToTrip returns why the circuit should open; "" if it should not.
func (w *watchdog) reasonToTrip(s *snapshot, now time.Time) string {
	g := s.generation
	if reason := w.circuit.corroborated(w.stalled(g, now)); reason != "" {
		return reason
	}
	if reason := w.circuit.corroborated(g.evidence.judge(now, s.onTrial(g))); reason != "" {
		return reason
	}
	return w.peers.Quorum()
}

// stalled looks for calls that wait for longer than recent latency explains
// while none comes back. Many are a reason to trip. Before they are, and if they
// are few, the prober finds out whether only their connections are dead.
func (w *watchdog) stalled(g *generation, now time.Time) finding {
	calls := w.inFlight.waiting(g, now, minStall/5)
	if calls.silence < minStall*2/5 {
		return finding{}
	}
	limit, unusual, usual := w.cfg.SlowCall, w.cfg.SlowCall, "not known yet"
	if qs, ok := w.latencies.quantiles(0.5, 0.99); ok {
		median, p99 := qs[0], qs[1]
		limit, usual = max(minStall, 3*median), fmt.Sprint(round(median))
		unusual = max(minStall, min(10*p99, w.cfg.SlowCall))
		calls = w.inFlight.waiting(g, now, max(minStall/5, 2*median))
	}
	found := finding{
		text:     fmt.Sprintf("%d of %d calls standing, none back for %v, median is %s", calls.older, calls.calls, round(calls.silence), usual),
		prefixes: calls.prefixes,
		stalled:  true,
	}
	switch {
	case calls.silence >= limit && calls.older >= w.cfg.MinRequests:
		return found
	case calls.silence >= limit*2/5 && calls.older >= w.cfg.MinRequests/2:
		w.circuit.suspect(found)
	case calls.silence >= unusual && calls.older > 0:
		w.circuit.mailbox.suspect(suspicion{stalled: true})
	}
	return finding{}
}

// offer puts v into c unless c is full: whoever receives has been woken then.
func offer[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}
