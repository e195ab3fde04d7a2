package breaker

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"captchagate/captcha"
)

// A retrier repeats attempts, within its limits and the budget of all.
type retrier struct {
	attempter *attempter
	limits    Limits
	budget    *retryBudget
	throttle  *throttle
	metrics   *metrics
}

// retry makes attempts until one is definite or no more may be made.
func (r *retrier) retry(ctx context.Context, c *call) (captcha.Verdict, *captcha.Failure) {
	r.budget.feed()
	var so progress
	var last *captcha.Failure
	attempts := 0 // that were sent
	for n := 1; ; n++ {
		v, sent, f := r.attempter.attempt(ctx, c, n)
		if last != nil && !sent {
			return v, last // what the API said before counts
		}
		if sent {
			attempts++
		}
		if f == nil {
			v.Attempts = attempts
			return v, nil
		}
		f.Attempts = attempts
		if f.Answer == nil && last != nil {
			f.Answer = last.Answer
		}
		if !r.mayRetry(c, f, n, &so) || !r.pause(ctx, c, &so, f.RetryAfter) {
			return v, f
		}
		last = f
	}
}

// progress is what one request remembers from attempt to attempt.
type progress struct {
	pauses    *backoff.ExponentialBackOff
	signed    bool // the signature's time was renewed already
	skipPause bool // before the next attempt
}

// mayRetry says whether another attempt of c may follow the n-th, which ended in f.
func (r *retrier) mayRetry(c *call, f *captcha.Failure, n int, so *progress) bool {
	so.skipPause = false
	switch {
	case !f.Retryable:
		return false
	case f.Kind == captcha.Misconfigured: // the signature expired on its way
		first := !so.signed
		so.signed, so.skipPause = true, true
		return first
	case n >= r.limits.MaxAttempts:
		return false
	case f.Kind != captcha.Fault && f.Kind != captcha.Throttled:
		return false
	case !r.throttle.admits(time.Now()):
		return false
	}
	if !r.budget.take(c.excused.Swap(false)) {
		r.metrics.spent.Inc()
		return false
	}
	return true
}

// pause waits before a retry: a full-jitter share of a growing ceiling, and at
// least as long as the API asked for. It is false if the deadline, the caller or
// the circuit ends the wait.
func (r *retrier) pause(ctx context.Context, c *call, so *progress, asked time.Duration) bool {
	if so.skipPause {
		return true
	}
	if so.pauses == nil {
		so.pauses = newPauses(r.limits.Backoff)
	}
	d := max(so.pauses.NextBackOff(), asked)
	if time.Now().Add(d).After(c.deadline) {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		if c.generation.isOpen() {
			return false
		}
		r.metrics.sent.Inc()
		return true
	case <-c.generation.opened:
	case <-ctx.Done():
	}
	return false
}

// newPauses draws from [0, 2 × interval]: with a randomisation factor of one
// and half the ceiling as the interval that is full jitter. The deadline bounds
// the sum, so the library's own limit of 15 minutes is put away.
func newPauses(b Backoff) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(b.Initial/2),
		backoff.WithMaxInterval(b.Max/2),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0),
	)
}

// maxSavedRetries is how many retries may come at once.
const maxSavedRetries = 10

// A retryBudget bounds retries to a share of requests over time. It is a token
// bucket that is counted, not timed: full at the start, fed by requests.
type retryBudget struct {
	perRequest float64

	mu     sync.Mutex
	tokens float64
}

func newRetryBudget(perRequest float64) *retryBudget {
	b := &retryBudget{perRequest: perRequest}
	if perRequest > 0 {
		b.tokens = maxSavedRetries
	}
	return b
}

func (b *retryBudget) feed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.tokens+b.perRequest, maxSavedRetries)
}

// take takes a retry out, an excused one even if none is left: then later ones go
// without.
func (b *retryBudget) take(excused bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 && (!excused || b.perRequest == 0) {
		return false
	}
	b.tokens--
	return true
}
