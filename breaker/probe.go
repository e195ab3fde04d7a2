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
	last := map[target]time.Time{} // when the newest probe of the schedule began
	var looked time.Time           // when one because of a suspicion did
	patient := false               // the newest one said nothing
	for {
		at, what := b.schedule(last, patient)
		timer.Reset(b.until(at))
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		case <-timer.C:
			if !at.IsZero() {
				last[what] = time.Now()
				patient = b.probe(ctx, what) == undecided
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

// schedule returns when to probe next and what about; zero where nothing is
// open that a probe could close. An open circuit comes first.
func (b *Breaker) schedule(last map[target]time.Time, patient bool) (at time.Time, what target) {
	switch s := b.stance.Load(); {
	case s.state == HalfOpen && !patient:
		at, what = last[b.usual].Add(b.cfg.Probe.Spacing), b.usual
	case s.state == Open || s.state == HalfOpen:
		at, what = b.after(last[b.usual], s.outage, s.since, s.lies), b.usual
	default:
		for refused, a := range *b.refused.Load() {
			if next := b.after(last[refused], a.Since, a.Since, 0); at.IsZero() || next.Before(at) {
				at, what = next, refused
			}
		}
	}
	b.mu.Lock()
	b.nextProbe = at
	b.mu.Unlock()
	return at, what
}

// until is how long to wait for a probe, or for the end of the ramp.
func (b *Breaker) until(probe time.Time) time.Duration {
	if !probe.IsZero() {
		return max(time.Until(probe), 0)
	}
	if s := b.stance.Load(); s.state == Recovering {
		return max(time.Until(s.since.Add(s.ramp)), rampLook)
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
func (b *Breaker) probe(ctx context.Context, about target) health {
	h, what := b.examine(ctx, about)
	if ctx.Err() != nil {
		return undecided
	}
	switch h {
	case healthy:
		b.acceptAccount(about)
		b.healthier(what)
	case refused:
		b.refuseAccount(about, what)
		b.healthier("the API answers, though it refuses the account: " + what)
	case ill:
		b.noHealthier(what)
	case undecided:
	}
	return h
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
			return b.recovering(s, time.Since(s.outage), fmt.Sprintf("%d probes in a row were answered, %s", n, what)), true
		}
		next := *s
		next.healthy = n
		if s.state == Open {
			next.state, next.since, next.evidence = HalfOpen, time.Now(), "a probe was answered, "+what
		}
		return &next, true
	})
}

// noHealthier ends a series of successful probes. One that fails did not lie:
// the API had been back for a moment.
func (b *Breaker) noHealthier(what string) {
	b.move(func(s *stance) (*stance, bool) {
		next := *s
		next.lies = 0
		if s.state != HalfOpen {
			return &next, s.state == Open && s.lies > 0
		}
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
	h, what := b.examine(ctx, b.usual)
	if h != ill || ctx.Err() != nil || b.stance.Load().life != s.life {
		return
	}
	text := why + ", and a probe of our own failed: " + what
	s.life.verdict.CompareAndSwap(nil, &text)
	b.trip(s.life)
}

// examine makes one probe. It returns after Probe.Timeout even where the call
// does not.
func (b *Breaker) examine(ctx context.Context, about target) (health, string) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Probe.Timeout)
	defer cancel()
	start := time.Now()
	done := make(chan struct{})
	var answer error
	go func() {
		defer close(done)
		_, answer = b.next.Verify(ctx, probeTicket(about, start))
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
func probeTicket(about target, now time.Time) captcha.Ticket {
	return captcha.Ticket{
		Value:   captcha.NewDisasterTicket(1001, about.appID, now),
		Randstr: "@probe",
		AppID:   about.appID,
		Mini:    about.mini,
		UserIP:  netip.AddrFrom4([4]byte{127, 0, 0, 1}),
	}
}
