package simulator

import (
	"cmp"
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

// join takes a place and says how long until its turn is over. A rate other than 0
// is that of this call in place of the queue's own.
func (q *queue) join(now time.Time, rate float64) time.Duration {
	rate = cmp.Or(rate, q.rate)
	if rate <= 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end.Before(now) {
		q.end = now
	}
	q.end = q.end.Add(time.Duration(float64(time.Second) / rate))
	return q.end.Sub(now)
}

// allowance lets rate calls a second through, and a tenth of a second's at once.
type allowance struct {
	rate float64

	mu   sync.Mutex
	left float64
	at   time.Time // of left; zero at first, when all are left
}

func (a *allowance) take(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left = min(a.left+a.rate*now.Sub(a.at).Seconds(), max(a.rate/10, 1))
	a.at = now
	if a.left < 1 {
		return false
	}
	a.left--
	return true
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
