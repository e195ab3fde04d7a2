package simulator

import (
	"context"
	"sync"
	"time"
)

// queue is a single server that works off rate calls a second, first in, first
// out. Only the end of its backlog is kept: a call that its caller gives up on
// has its place and is worked off all the same, as in life.
type queue struct {
	rate float64 // 0 = no limit

	mu  sync.Mutex
	end time.Time // when the last one in the queue is done
}

// join takes a place and says how long until its turn is over.
func (q *queue) join(now time.Time) time.Duration {
	if q.rate <= 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end.Before(now) {
		q.end = now
	}
	q.end = q.end.Add(time.Duration(float64(time.Second) / q.rate))
	return q.end.Sub(now)
}

// pause waits for d; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
