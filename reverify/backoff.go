package reverify

import "time"

// A backoff is failures without a success between, and until when to pause.
type backoff struct {
	failures int
	until    time.Time
}

// lasts reports whether it is still time to pause.
func (b *backoff) lasts(now time.Time) bool { return now.Before(b.until) }

// fail begins a pause between first and longest, twice as long as the last one.
func (b *backoff) fail(now time.Time, first, longest time.Duration) {
	if b.lasts(now) {
		return // of questions that were on their way together
	}
	b.until = now.Add(doubled(first, b.failures, longest))
	b.failures++
}

// doubled is first, doubled n times, and at most longest.
func doubled(first time.Duration, n int, longest time.Duration) time.Duration {
	for range n {
		if first *= 2; first >= longest {
			return longest
		}
	}
	return min(first, longest)
}
