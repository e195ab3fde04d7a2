package breaker

import (
	"context"
	"time"
)

// Tick has the breaker look once at its calls in flight, as Run does every 10 ms:
// a test that does not call Run stands still itself between two calls of Tick.
func (b *Breaker) Tick() { b.watchdog.tick(time.Now()) }

// RampKeeps is how many answers the newest recovery holds in memory.
func (b *Breaker) RampKeeps() int {
	r := b.circuit.snapshot.Load().generation.ramp
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.step.took)
}

// ProbeInterval is how long after one probe the next one comes, in an outage of
// that age and after so many recoveries in a row that failed.
func ProbeInterval(bounds Interval, age time.Duration, failed int) time.Duration {
	began := time.Unix(0, 0)
	return interval(bounds, began.Add(age), began, failed)
}

// Probe has the breaker probe until ctx ends, and not watch: see Tick.
func (b *Breaker) Probe(ctx context.Context) { b.prober.run(ctx) }
