package reverify

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// timing is how fast things go. Tests with a real clock hurry.
type timing struct {
	askRate  rate.Limit    // questions a second at a share of 1
	askEvery time.Duration // between looks at the backlog while there is something to ask
	idle     time.Duration // between looks of each loop otherwise
	flush    time.Duration // the longest that a finding waits for company in a batch
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
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
