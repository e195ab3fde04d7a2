package breaker

import (
	"context"
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"

	"captchagate/captcha"
)

// attempt makes the n-th call of a request. Only the first one goes through
// gobreaker and is evidence: a ticket counts once, its retries included.
func (b *Breaker) attempt(ctx context.Context, c *call, n int, deadline time.Time) (captcha.Verdict, *captcha.Failure) {
	until := time.Now().Add(b.limits.AttemptTimeout)
	if deadline.Before(until) {
		until = deadline
	}
	if n > 1 {
		v, err := b.ask(ctx, c, until, false)
		return v, asFailure(err)
	}
	v, err := c.life.circuit.Execute(func() (captcha.Verdict, error) {
		return b.ask(ctx, c, until, true)
	})
	if err == nil {
		return v, nil
	}
	b.afterTrip(c.life)
	if errors.Is(err, gobreaker.ErrOpenState) {
		return v, &captcha.Failure{Kind: captcha.CircuitOpen}
	}
	return v, captcha.AsFailure(err)
}

func asFailure(err error) *captcha.Failure {
	if err == nil {
		return nil
	}
	return captcha.AsFailure(err)
}

// ask makes one call, unless too many are in flight.
func (b *Breaker) ask(ctx context.Context, c *call, until time.Time, evident bool) (captcha.Verdict, error) {
	bounded, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	ok, first := b.flight.begin(c, cancel, time.Now())
	if !ok {
		return captcha.Verdict{}, &captcha.Failure{Kind: captcha.Overloaded}
	}
	if c.life.isOpen() { // it opened before this call could be released with the others
		b.flight.end(c, time.Now(), false)
		return captcha.Verdict{}, &captcha.Failure{Kind: captcha.CircuitOpen}
	}
	c.sent++
	c.life.sent.Store(true)
	if first {
		signal(b.busy)
	}
	v, err := b.next.Verify(bounded, c.ticket)
	if err == nil {
		b.answered(c, v, evident)
		return v, nil
	}
	f := captcha.AsFailure(err)
	b.reclassify(ctx, c, f)
	b.failed(c, f, evident)
	return v, f
}

// answered counts a call with a definite answer.
func (b *Breaker) answered(c *call, v captcha.Verdict, evident bool) {
	now := time.Now()
	age, _ := b.flight.end(c, now, true)
	b.metrics.attempt(v.Outcome.String(), now.Sub(c.start))
	b.throttle.observe(now, false)
	b.flight.latency(age)
	if evident {
		c.life.evidence.answer(c, now, age >= b.cfg.SlowCall)
		c.life.canaries.Add(1)
	}
}

// failed counts a call that nobody answered definitely. What became of the
// ticket is noted before the call leaves flight: a twin looks at both.
func (b *Breaker) failed(c *call, f *captcha.Failure, evident bool) {
	if f.FateUnknown {
		b.fates.Add(c.key)
	}
	now := time.Now()
	gone := f.Kind == captcha.Cancelled || f.Kind == captcha.CircuitOpen
	age, lagged := b.flight.end(c, now, !gone)
	b.metrics.attempt(outcomeOf(f.Kind), now.Sub(c.start))
	switch f.Kind {
	case captcha.Throttled:
		b.throttle.observe(now, true)
	case captcha.Cancelled:
		if age >= leastStanding {
			b.believe(c.life, c.life.evidence.abandoned())
		}
	case captcha.Fault:
		b.complain(f, now)
		late := lagged && age < b.limits.AttemptTimeout && errors.Is(f, context.DeadlineExceeded)
		if evident && !late { // our own lag makes calls late, and is no evidence
			c.life.evidence.fault(c, now)
			c.life.canaries.Add(1)
		}
	default:
	}
}

// complainEvery is the least time between two complaints about faults.
const complainEvery = time.Minute

// complain tells of a fault, now and then: an API that cannot be reached at
// all would else be silent until the circuit opens.
func (b *Breaker) complain(f *captcha.Failure, now time.Time) {
	last := b.complained.Load()
	if now.UnixNano()-last >= int64(complainEvery) && b.complained.CompareAndSwap(last, now.UnixNano()) {
		b.log.Warn("a call to the Captcha API failed; further ones are not told for a minute", "error", f.Err)
	}
}

// reclassify corrects what the call below could not know: that the caller went
// away, or that the circuit opened while it waited.
func (b *Breaker) reclassify(ctx context.Context, c *call, f *captcha.Failure) {
	switch {
	case c.released.Load():
		f.Kind = captcha.CircuitOpen
	case ctx.Err() != nil:
		f.Kind = captcha.Cancelled
	case f.Kind == captcha.Cancelled:
		f.Kind = captcha.Fault // nobody of ours cancelled it
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
