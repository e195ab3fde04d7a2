package breaker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"captchagate/captcha"
)

const (
	// probesAnAge is how many probes fit into the age of an outage: short ones
	// are left at once, long ones are not hammered.
	probesAnAge = 30
	// probeJitter is by how much a probe may come early, as a share.
	probeJitter = 0.2
	// suspicionEvery bounds the probes that suspicions ask for.
	suspicionEvery = time.Second
	// probeGrace is how long a cancelled probe may take to return.
	probeGrace = 50 * time.Millisecond
	// rampLook is how often the end of the ramp is looked for.
	rampLook = 50 * time.Millisecond
)

// health is what a probe says.
type health int

const (
	healthy health = iota
	ill
	refused   // the API works, and refuses the account
	undecided // throttled: says neither
)

var healthNames = [...]string{"healthy", "ill", "refused", "throttled"}

func (h health) String() string { return healthNames[h] }

// probeLoop is the one goroutine that probes; so never two probes at once.
func (b *Breaker) probeLoop(ctx context.Context) {
	timer := time.NewTimer(never)
	defer timer.Stop()
	var last, looked time.Time // when the last probe of the schedule began, and of a suspicion
	for {
		timer.Reset(b.schedule(last))
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		case <-timer.C:
			if b.due() {
				last = time.Now()
				b.probe(ctx)
			}
			b.finishRamp()
		case why := <-b.suspect:
			if time.Since(looked) >= suspicionEvery {
				looked = time.Now()
				b.lookInto(ctx, why)
			}
		}
	}
}

// due reports whether anything is open that a probe could close.
func (b *Breaker) due() bool {
	s := b.stance.Load()
	return s.state == Open || s.state == HalfOpen || b.account.Load().State == AccountRefused
}

// schedule returns the time until the next probe, or until the ramp is looked
// at, and notes it for the status.
func (b *Breaker) schedule(last time.Time) time.Duration {
	s, acc, now := b.stance.Load(), b.account.Load(), time.Now()
	var at time.Time
	switch {
	case s.state == HalfOpen:
		at = last.Add(b.cfg.Probe.Spacing)
	case s.state == Open:
		at = b.after(last, s.outage, s.since, s.lies)
	case acc.State == AccountRefused:
		at = b.after(last, acc.Since, acc.Since, 0)
	}
	b.mu.Lock()
	b.nextProbe = at
	b.mu.Unlock()
	switch {
	case !at.IsZero():
		return max(at.Sub(now), 0)
	case s.state == Recovering:
		return max(s.since.Add(s.ramp).Sub(now), rampLook)
	}
	return never
}

// after is when to probe next in an outage that began then: an interval after
// the last probe, or after what opened it, doubled for each lie.
func (b *Breaker) after(last, outage, opened time.Time, lies int) time.Time {
	from := opened
	if last.After(from) {
		from = last
	}
	d := min(max(from.Sub(outage)/probesAnAge, b.cfg.Open.Initial)<<min(lies, 10), b.cfg.Open.Max)
	return from.Add(d - time.Duration(probeJitter*rand.Float64()*float64(d)))
}

// probe asks once and draws the conclusions.
func (b *Breaker) probe(ctx context.Context) {
	h, what := b.examine(ctx)
	if ctx.Err() != nil {
		return
	}
	switch h {
	case healthy:
		b.acceptAccount()
		b.healthier(what)
	case refused:
		b.refuseAccount(what)
		b.healthier("the API answers, though it refuses the account: " + what)
	case ill:
		b.noHealthier(what)
	case undecided:
	}
}

// healthier counts a successful probe: the first makes the circuit half open,
// the last needed begins recovery.
func (b *Breaker) healthier(what string) {
	b.move(func(s *stance) (*stance, bool) {
		if s.state != Open && s.state != HalfOpen {
			return nil, false
		}
		n := s.healthy + 1
		if n >= b.cfg.Probe.Successes {
			return b.recovering(s, fmt.Sprintf("%d probes in a row were answered, %s", n, what)), true
		}
		next := *s
		next.healthy = n
		if s.state == Open {
			next.state, next.since, next.evidence = HalfOpen, time.Now(), "a probe was answered, "+what
		}
		return &next, true
	})
}

// noHealthier ends a series of successful probes.
func (b *Breaker) noHealthier(what string) {
	b.move(func(s *stance) (*stance, bool) {
		if s.state != HalfOpen {
			return nil, false
		}
		next := *s
		next.state, next.since, next.healthy, next.evidence = Open, time.Now(), 0, "a probe failed: "+what
		return &next, true
	})
}

// lookInto probes because of evidence that too few places brought, and opens
// the circuit where the probe fails too.
func (b *Breaker) lookInto(ctx context.Context, why string) {
	s := b.stance.Load()
	if s.state != Closed && s.state != Recovering {
		return
	}
	h, what := b.examine(ctx)
	if h != ill || ctx.Err() != nil {
		return
	}
	text := why + ", and a probe of our own failed: " + what
	s.life.verdict.CompareAndSwap(nil, &text)
	b.trip(s.life)
}

// examine makes one probe. It returns after Probe.Timeout even where the call
// does not.
func (b *Breaker) examine(ctx context.Context) (health, string) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Probe.Timeout)
	defer cancel()
	start := time.Now()
	done := make(chan struct{})
	var answer error
	go func() {
		defer close(done)
		_, answer = b.next.Verify(ctx, b.probeTicket(start))
	}()
	var err error
	select {
	case <-done:
		err = answer
	case <-ctx.Done():
		err = &captcha.Failure{Kind: captcha.Fault, Err: errNoAnswer}
		select { // it has been cancelled: let it go before another begins
		case <-done:
		case <-time.After(probeGrace):
		}
	}
	h, what := b.diagnose(err, time.Since(start))
	b.metrics.probe(h)
	return h, what
}

var errNoAnswer = errors.New("no answer in time")

func (b *Breaker) diagnose(err error, took time.Duration) (health, string) {
	if err == nil {
		if took <= b.cfg.SlowCall {
			return healthy, fmt.Sprintf("in %v", round(took))
		}
		return ill, fmt.Sprintf("answered after %v only", round(took))
	}
	switch f := captcha.AsFailure(err); f.Kind {
	case captcha.Misconfigured:
		return refused, f.Code
	case captcha.Throttled:
		return undecided, f.Code
	default:
		return ill, f.Error()
	}
}

// probeTicket is a disaster ticket of the standard form: by the disaster
// recovery scheme verifying it is not billed, and it is never valid.
func (b *Breaker) probeTicket(now time.Time) captcha.Ticket {
	return captcha.Ticket{
		Value:   captcha.NewDisasterTicket(1001, b.appID, now),
		Randstr: "@probe",
		AppID:   b.appID,
		UserIP:  netip.AddrFrom4([4]byte{127, 0, 0, 1}),
	}
}
