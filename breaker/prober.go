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
	// probeConnectTimeout is how long a probe may wait for its connection.
	probeConnectTimeout = 2 * time.Second
)

// A mailbox is how the others reach the prober. Nobody waits for it.
type mailbox struct {
	changed    chan struct{} // look at the schedule again
	suspicions chan finding  // what one probe would confirm
}

func (m mailbox) wakeProber() { offer(m.changed, struct{}{}) }

// suspect has the prober look into what one probe would confirm, if anything was
// found.
func (m mailbox) suspect(f finding) {
	if f.text != "" || f.stalled {
		offer(m.suspicions, f)
	}
}

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
	calls   Calls

	unanswered  *unanswered
	disbelieved *disbelieved
	silence     silence // of probes that were not believed; run's own

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
		plan := schedule(p.cfg, p.circuit.snapshot.Load(), p.account.refusals(), p.usual, past, p.peers.Patience(), now, rand.Float64())
		p.due.Store(&plan.probeAt)
		timer.Reset(plan.wait)
		select {
		case <-ctx.Done():
			return
		case <-p.mailbox.changed:
		case <-timer.C:
			if !plan.probeAt.IsZero() && !time.Now().Before(plan.probeAt) {
				past.last[plan.about] = time.Now()
				past.undecided = p.probe(ctx, plan.about) == undecided
			}
			p.circuit.finishRamp()
		case turn := <-p.peers.Turns():
			p.take(ctx, turn)
		case suspected := <-p.mailbox.suspicions:
			if time.Since(confirmed) >= confirmEvery {
				confirmed = time.Now()
				p.confirm(ctx, suspected)
			}
		}
	}
}

// take probes in place of all instances, whose conclusions come by Breaker.Follow.
func (p *prober) take(ctx context.Context, turn Turn) {
	begun := false
	h, what, _ := p.askOnce(ctx, p.usual, p.cfg.Probe.Timeout, func(ctx context.Context) bool {
		begun = turn.Begin(ctx)
		return begun
	})
	if ctx.Err() != nil || !begun && h != ill { // ill: it found no connection
		return
	}
	switch h {
	case healthy:
		p.account.accept(p.usual)
		turn.End(Healthy)
	case refused:
		p.account.refuse(p.usual, what)
		turn.End(Healthy)
	case ill:
		turn.End(Ill)
	case undecided:
		turn.End(Undecided)
	}
}

// probe asks once and draws the conclusions.
func (p *prober) probe(ctx context.Context, about target) health {
	h, what, took := p.ask(ctx, about, p.cfg.Probe.Timeout)
	if ctx.Err() != nil {
		return undecided
	}
	switch h {
	case healthy:
		p.account.accept(about)
		p.circuit.probeAnswered(what, took)
	case refused:
		p.account.refuse(about, what)
		p.circuit.probeAnswered("the API answers, though it refuses the account: "+what, took)
	case ill:
		p.circuit.probeFailed(what)
	case undecided:
	}
	return h
}

// confirm probes because of evidence that may have another explanation, and
// opens the circuit if the probe fails too: users wait, so it is given up as soon as
// it is slow. If one is answered while the calls of users stand, the connections
// that are kept are dead, and none is used again; if others pass meanwhile, it is
// the tickets that met the faults. A probe beside which we stood still ourselves
// says nothing, until no answer came in SlowCall of the time that we ran.
func (p *prober) confirm(ctx context.Context, suspected finding) {
	s := p.circuit.snapshot.Load()
	if !s.sends() {
		return
	}
	inFlight, began := p.circuit.inFlight, time.Now()
	lag := inFlight.ownLag(began)
	h, what, took := p.ask(ctx, p.usual, min(p.cfg.Probe.Timeout, p.cfg.SlowCall+tickEvery))
	now := time.Now()
	lag = inFlight.ownLag(now) - lag
	if h != ill {
		p.silence = silence{}
	}
	doubtful := h == ill && (lag >= minSilence || suspected.beside) && !p.silence.says(s.generation, began, took-lag, p.cfg.SlowCall)
	switch {
	case ctx.Err() != nil || p.circuit.snapshot.Load().generation != s.generation:
	case doubtful:
		p.disbelieved.add(now)
	case h == ill && suspected.text != "":
		p.circuit.trip(s.generation, suspected.text+", and a probe of our own failed: "+what)
	case h == healthy && suspected.stalled:
		inFlight.cameBack(now)
		p.circuit.connections.Reset()
		inFlight.excuse(now)
	case h == healthy && s.state == Closed:
		s.generation.evidence.acquit(now)
	}
}

// ask makes one probe, on a connection of its own. It returns timeout after that
// stands even if the call does not, and at the latest probeConnectTimeout later.
func (p *prober) ask(ctx context.Context, about target, timeout time.Duration) (h health, what string, took time.Duration) {
	return p.askOnce(ctx, about, timeout, func(context.Context) bool { return true })
}

// askOnce is ask, if begin says so once the connection stands; else nothing is
// sent.
func (p *prober) askOnce(ctx context.Context, about target, timeout time.Duration, begin func(context.Context) bool) (h health, what string, took time.Duration) {
	began := time.Now()
	var wired atomic.Pointer[time.Time] // when it went on the wire
	var stop func()
	parent := ctx
	ctx, stop = bound(ctx, true, began.Add(probeConnectTimeout+timeout), timeout, func(time.Time) {
		if !begin(ctx) {
			stop()
			return
		}
		now := time.Now()
		wired.Store(&now)
	})
	defer stop()
	done := make(chan struct{})
	var answer error
	lag := p.circuit.inFlight.ownLag(began)
	go func() {
		defer close(done)
		_, answer = p.next.Verify(ctx, probeTicket(about, began))
		if now := time.Now(); parent.Err() == nil {
			p.sawProbe(endedProbe{began, wired.Load(), now, answer, max(p.circuit.inFlight.ownLag(now)-lag, 0), timeout})
		}
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
	if sent := wired.Load(); sent != nil {
		began = *sent
	}
	took = time.Since(began)
	if ctx.Err() != nil && wired.Load() == nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return undecided, "", took // called off
	}
	h, what = diagnose(err, took, p.cfg.SlowCall)
	p.metrics.probes.WithLabelValues(h.String()).Inc()
	return h, what, took
}

var errNoAnswer = errors.New("no answer in time")

// health is what a probe says.
type health int

const (
	healthy health = iota
	ill
	refused   // the API works, and refuses the account
	undecided // throttled, trouble of our own, or not made: says neither
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
	case captcha.Overloaded: // trouble of our own
		return undecided, f.Error()
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
