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

func usualTiming() *timing {
	return &timing{askRate: 20, askEvery: 25 * time.Millisecond, idle: time.Second, flush: 5 * time.Second}
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
