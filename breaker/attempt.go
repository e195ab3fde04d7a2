package breaker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"captchagate/captcha"
)

// An attempter makes single calls to the API, and counts how they ended: for the
// circuit, for the throttle, for what is usual.
type attempter struct {
	next      captcha.Verifier
	fates     Fates
	abandoned Fates
	timeout   time.Duration
	slowCall  time.Duration
	inFlight  *inFlight
	latencies *latencies
	circuit   *circuit
	throttle  *throttle
	watchdog  *watchdog
	metrics   *metrics
	calls     Calls

	unanswered  *unanswered
	doubts      *doubts
	disbelieved *disbelieved
	log         *slog.Logger
}

// attempt makes the n-th call of a request, and reports whether it was sent. Only
// the first one goes through gobreaker and is evidence: a ticket counts once, its
// retries included.
func (a *attempter) attempt(ctx context.Context, c *call, n int) (v captcha.Verdict, sent bool, f *captcha.Failure) {
	if n > 1 {
		v, sent, err := a.send(ctx, c, false)
		if err != nil {
			return v, sent, captcha.AsFailure(err)
		}
		return v, sent, nil
	}
	v, f = c.generation.run(func() (v captcha.Verdict, err error) {
		v, sent, err = a.send(ctx, c, true)
		return v, err
	})
	if f != nil {
		a.circuit.openIfTripped(c.generation)
	}
	return v, sent, f
}

// send makes one call, unless too many are in flight, and reports whether it was
// sent. It ends with the caller, at its time, which begins when it is on the wire,
// or when the circuit opens.
func (a *attempter) send(ctx context.Context, c *call, evident bool) (v captcha.Verdict, sent bool, err error) {
	wired := func(now time.Time) { a.inFlight.wired(c, now) }
	bounded, stop := bound(ctx, false, c.deadline, a.timeout, wired)
	defer stop()
	ok, first := a.inFlight.begin(c, stop, time.Now())
	if !ok {
		return v, false, &captcha.Failure{Kind: captcha.Overloaded}
	}
	if c.generation.isOpen() { // it opened before this call could be released with the others
		a.inFlight.end(c, time.Now(), false)
		return v, false, &captcha.Failure{Kind: captcha.CircuitOpen}
	}
	c.generation.sent.Store(true)
	a.throttle.sent(c.started)
	if first {
		a.watchdog.wake()
	}
	v, err = a.next.Verify(bounded, c.ticket)
	if err == nil {
		a.answered(c, v, evident)
		return v, true, nil
	}
	f := captcha.AsFailure(err)
	reclassify(ctx, c, f)
	a.failed(ctx, c, f, evident)
	return v, !ownTrouble(f), f
}

// ownTrouble reports whether a call was not sent because of trouble of our own.
func ownTrouble(f *captcha.Failure) bool { return f.Kind == captcha.Overloaded && !f.FateUnknown }

// reclassify corrects what the call below could not know: that the caller went
// away, or that the circuit opened while it waited.
func reclassify(ctx context.Context, c *call, f *captcha.Failure) {
	switch {
	case c.released.Load():
		f.Kind, f.Err = captcha.CircuitOpen, errReleased
	case ctx.Err() != nil:
		f.Kind, f.Err = captcha.Cancelled, errLeft
	case f.Kind == captcha.Cancelled:
		f.Kind = captcha.Fault // nobody of ours cancelled it
	}
}

var (
	errReleased = errors.New("the circuit opened while the call waited for its answer")
	errLeft     = errors.New("the caller went away before the answer")
)

// answered counts a call with a definite answer.
func (a *attempter) answered(c *call, v captcha.Verdict, evident bool) {
	now := time.Now()
	age, _ := a.inFlight.end(c, now, true)
	a.saw(c, nil, false)
	a.metrics.attempt(v.Outcome.String(), now.Sub(c.started))
	a.latencies.add(age)
	if v.Outcome != captcha.Rejected {
		c.generation.evidence.pass(now)
	}
	if evident {
		c.generation.evidence.answer(c, now, age >= a.slowCall)
		c.generation.returned(c, age, false)
	}
}

// noteFate remembers a ticket that a call may have used up, and whether only its
// caller's leaving left that open.
func (a *attempter) noteFate(c *call, f *captcha.Failure) {
	switch {
	case !f.FateUnknown:
	case f.Kind == captcha.Cancelled:
		a.abandoned.Add(c.key)
	default:
		a.fates.Add(c.key)
	}
}

// failed counts a call that nobody answered definitely. What became of the
// ticket is noted before the call leaves flight: a twin looks at both.
func (a *attempter) failed(ctx context.Context, c *call, f *captcha.Failure, evident bool) {
	a.noteFate(c, f)
	now := time.Now()
	gone := f.Kind == captcha.Cancelled || f.Kind == captcha.CircuitOpen
	age, lagged := a.inFlight.end(c, now, !gone)
	if ownTrouble(f) {
		return
	}
	a.metrics.attempt(outcomeOf(f.Kind), now.Sub(c.started))
	late := lagged && age < a.timeout && errors.Is(f, context.DeadlineExceeded)
	a.saw(c, f, late && 3*c.unheard < 2*now.Sub(c.sentAt))
	switch f.Kind {
	case captcha.Throttled:
		a.throttle.refused(c.started, now)
	case captcha.Cancelled:
		if age >= minStall {
			a.circuit.mailbox.suspect(finding{text: c.generation.evidence.abandon()})
		}
	case captcha.Fault:
		a.log.WarnContext(ctx, "a call to the Captcha API failed", "error", f.Err)
		switch {
		case late: // our own lag makes calls late, and is no evidence: a probe may tell
			a.disbelieved.add(now)
			a.circuit.mailbox.suspect(finding{text: "calls had no answer, beside which this process stood still at times", beside: true})
		case evident && isEvidence(f):
			c.generation.evidence.fault(c, now)
			c.generation.returned(c, age, true)
		}
	default:
	}
}

// outcomeOf names a failed call as the metric does: one that was released when
// the circuit opened is cancelled, and of a used ticket it was said that it was.
func outcomeOf(k captcha.Kind) string {
	switch k {
	case captcha.CircuitOpen, captcha.Overloaded:
		return captcha.Cancelled.String()
	case captcha.OutcomeUnknown:
		return captcha.Rejected.String()
	default:
		return k.String()
	}
}
