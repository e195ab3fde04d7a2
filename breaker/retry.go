package breaker

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"captchagate/captcha"
)

// bucketSize is how many retries may come at once.
const bucketSize = 10

// A bucket bounds retries to a share of first attempts over time. It is
// counted, not timed: full at the start, fed by first attempts.
type bucket struct {
	feedBy float64
	mu     sync.Mutex
	tokens float64
}

func newBucket(perRequest float64) *bucket {
	b := &bucket{feedBy: perRequest}
	if perRequest > 0 {
		b.tokens = bucketSize
	}
	return b
}

func (b *bucket) feed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.tokens+b.feedBy, bucketSize)
}

func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// retry is what one request remembers from attempt to attempt.
type retry struct {
	pauses  *backoff.ExponentialBackOff
	resigns bool // the signature's time was renewed already
	at      bool // the next attempt needs no pause
}

// mayRetry says whether another attempt may follow the n-th, which ended in f.
func (b *Breaker) mayRetry(f *captcha.Failure, n int, r *retry) bool {
	r.at = false
	switch {
	case !f.Retryable:
		return false
	case f.Kind == captcha.Misconfigured: // the signature expired on its way
		first := !r.resigns
		r.resigns, r.at = true, true
		return first
	case n >= b.limits.MaxAttempts:
		return false
	case f.Kind != captcha.Fault && f.Kind != captcha.Throttled:
		return false
	case f.Kind == captcha.Throttled && !b.throttle.admits(time.Now()):
		return false
	}
	if !b.retries.take() {
		b.metrics.spent.Inc()
		return false
	}
	return true
}

// pause waits before a retry: a full-jitter share of a growing ceiling. False
// where the deadline, the caller or the circuit ends the wait.
func (b *Breaker) pause(ctx context.Context, c *call, r *retry, deadline time.Time) bool {
	if r.at {
		return true
	}
	if r.pauses == nil {
		r.pauses = b.newPauses()
	}
	d := r.pauses.NextBackOff()
	if time.Now().Add(d).After(deadline) {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		if c.life.isOpen() {
			return false
		}
		b.metrics.sent.Inc()
		return true
	case <-c.life.opened:
	case <-ctx.Done():
	}
	return false
}

// newPauses draws from [0, 2 × interval]: with a randomisation factor of one
// and half the ceiling as the interval that is full jitter. The deadline bounds
// the sum, so the library's own limit of 15 minutes is put away.
func (b *Breaker) newPauses() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(b.limits.Backoff.Initial/2),
		backoff.WithMaxInterval(b.limits.Backoff.Max/2),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0),
	)
}
