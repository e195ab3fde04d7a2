package breaker

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sync"
	"time"
)

// slotLength is the resolution of every window.
const slotLength = 100 * time.Millisecond

// A window keeps one T for each slot of the time that it looks back on.
type window[T any] struct {
	base   time.Time // what slots are counted from, whatever the wall clock does
	slots  []T
	newest int64 // number of the newest slot, counted from base
}

func newWindow[T any](base time.Time, length time.Duration) window[T] {
	return window[T]{base: base, slots: make([]T, length/slotLength)}
}

// slot returns the slot of now, and empties those that have left the window.
func (w *window[T]) slot(now time.Time) *T {
	n := int64(len(w.slots))
	current := int64(now.Sub(w.base) / slotLength)
	w.newest = max(w.newest, current-n) // all that is older has left anyway
	for w.newest < current {
		w.newest++
		var empty T
		w.slots[w.newest%n] = empty
	}
	return &w.slots[w.newest%n]
}

// at returns the slot of a time past; nil if that has left the window.
func (w *window[T]) at(then time.Time) *T {
	n, i := int64(len(w.slots)), int64(then.Sub(w.base)/slotLength)
	if i < 0 || i <= w.newest-n || i > w.newest {
		return nil
	}
	return &w.slots[i%n]
}

// last yields the newest slots, as many as make up d. It looks back from the
// latest now that slot was called with.
func (w *window[T]) last(d time.Duration) iter.Seq[T] {
	return func(yield func(T) bool) {
		n := int64(len(w.slots))
		for i := range min(int64(d/slotLength), n) {
			if !yield(w.slots[(w.newest-i+n)%n]) {
				return
			}
		}
	}
}

// A tally counts finished calls. The passes are those of retries too.
type tally struct{ calls, faults, slow, passes int }

func sum(tallies iter.Seq[tally]) (total tally) {
	for t := range tallies {
		total.calls += t.calls
		total.faults += t.faults
		total.slow += t.slow
		total.passes += t.passes
	}
	return total
}

// ratio of part to whole; 0 of nothing.
func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// chance is how far a share of n trials strays from p: 1.64 standard
// deviations, which one in twenty exceeds.
func chance(p float64, n int) float64 {
	return 1.64 * math.Sqrt(p*(1-p)/float64(n))
}

// latencySamples is how many recent answers tell what latency is usual.
const latencySamples = 256

// latencies are what the most recent answers took.
type latencies struct {
	mu      sync.Mutex
	recent  [latencySamples]time.Duration // a ring
	n       int                           // answers seen since the last outage
	noted   time.Time                     // when the medians were
	medians [2]time.Duration              // of the last two seconds in which something was answered, newest first
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent[l.n%latencySamples] = d
	l.n++
	if now := time.Now(); now.Sub(l.noted) >= time.Second {
		l.noted = now
		l.medians = [2]time.Duration{quantiles(slices.Clone(l.recent[:min(l.n, latencySamples)]), 0.5)[0], l.medians[0]}
	}
}

// earlier is the median as it was before the last second; 0 if it is not known.
func (l *latencies) earlier() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.medians[1], l.medians[0])
}

// forget has what is usual found out anew.
func (l *latencies) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n = 0
}

// quantiles returns the latencies at the given shares, each in [0, 1]; all are 0
// and ok is false if nothing was answered yet.
func (l *latencies) quantiles(shares ...float64) (qs []time.Duration, ok bool) {
	l.mu.Lock()
	recent := slices.Clone(l.recent[:min(l.n, latencySamples)])
	l.mu.Unlock()
	return quantiles(recent, shares...), len(recent) > 0
}

// quantiles sorts what it is given, and returns what lies at the given shares; 0
// of nothing.
func quantiles(of []time.Duration, shares ...float64) []time.Duration {
	qs := make([]time.Duration, len(shares))
	slices.Sort(of)
	for i, share := range shares {
		if len(of) > 0 {
			qs[i] = of[min(int(share*float64(len(of))), len(of)-1)]
		}
	}
	return qs
}

// round shortens a duration for people.
func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
