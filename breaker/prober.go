package breaker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"captchagate/captcha"
)

const (
	// confirmEvery bounds the probes that suspicions ask for.
	confirmEvery = time.Second
	// probeGrace is how long a cancelled probe may take to return.
	probeGrace = 50 * time.Millisecond
)

// A mailbox is how the others reach the prober. Nobody waits for it.
type mailbox struct {
	changed    chan struct{} // look at the schedule again
	suspicions chan string   // evidence that one probe would confirm
}

func (m mailbox) wakeProber() { offer(m.changed, struct{}{}) }

func (m mailbox) suspect(why string) { offer(m.suspicions, why) }

// A prober asks the API what no user has to wait for: whether it is back,
// whether it accepts the account again, whether a suspicion is right.
type prober struct {
	next    captcha.Verifier
	cfg     Config
	usual   target // what probes ask about, unless another is refused
	circuit *circuit
	account *account
	peers   Peers
	mailbox mailbox
	metrics *metrics

	due atomic.Pointer[time.Time] // when the next probe is; zero if none is
}

// run probes until ctx ends. It is the one goroutine that does, so there are
// never two probes at once.
func (p *prober) run(ctx context.Context) {
	timer := time.NewTimer(never)
	defer timer.Stop()
	past := probed{last: map[target]time.Time{}}
	var confirmed time.Time // when a suspicion was last looked into
	for {
		now := time.Now()
		plan := schedule(p.cfg, p.circuit.snapshot.Load(), p.account.refusals(), p.usual, past, now, rand.Float64())
		p.due.Store(&plan.probeAt)
		timer.Reset(plan.wait)
		select {
		case <-ctx.Done():
			return
		case <-p.mailbox.changed:
		case <-timer.C:
			if !plan.probeAt.IsZero() {
				past.last[plan.about] = time.Now()
				past.undecided = p.probe(ctx, plan.about) == undecided
			}
			p.circuit.finishRamp()
		case why := <-p.mailbox.suspicions:
			if time.Since(confirmed) >= confirmEvery {
				confirmed = time.Now()
				p.confirm(ctx, why)
			}
		}
	}
}

// probe asks once, if it is for this instance to do so, and draws the
// conclusions.
func (p *prober) probe(ctx context.Context, about target) health {
	if !p.peers.Lead() {
		return undecided
	}
	h, what := p.ask(ctx, about)
	if ctx.Err() != nil {
		return undecided
	}
	switch h {
	case healthy:
		p.account.accept(about)
		p.circuit.probeAnswered(what)
	case refused:
		p.account.refuse(about, what)
		p.circuit.probeAnswered("the API answers, though it refuses the account: " + what)
	case ill:
		p.circuit.probeFailed(what)
	case undecided:
	}
	return h
}

// confirm probes because of evidence that too few places brought, and opens the
// circuit if the probe fails too.
func (p *prober) confirm(ctx context.Context, why string) {
	s := p.circuit.snapshot.Load()
	if !s.sends() {
		return
	}
	h, what := p.ask(ctx, p.usual)
	if h != ill || ctx.Err() != nil || p.circuit.snapshot.Load().generation != s.generation {
		return
	}
	p.circuit.trip(s.generation, why+", and a probe of our own failed: "+what)
}

// ask makes one probe. It returns after Probe.Timeout even if the call does not.
func (p *prober) ask(ctx context.Context, about target) (health, string) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Probe.Timeout)
	defer cancel()
	start := time.Now()
	done := make(chan struct{})
	var answer error
	go func() {
		defer close(done)
		_, answer = p.next.Verify(ctx, probeTicket(about, start))
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
	h, what := diagnose(err, time.Since(start), p.cfg.SlowCall)
	p.metrics.probes.WithLabelValues(h.String()).Inc()
	return h, what
}

var errNoAnswer = errors.New("no answer in time")

// health is what a probe says.
type health int

const (
	healthy health = iota
	ill
	refused   // the API works, and refuses the account
	undecided // throttled, or not made: says neither
)

var healthNames = [...]string{"healthy", "ill", "refused", "throttled"}

func (h health) String() string { return healthNames[h] }

func diagnose(err error, took, slowCall time.Duration) (health, string) {
	if err == nil {
		if took <= slowCall {
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
