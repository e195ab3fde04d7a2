// Package breaker decides whether the Captcha API is asked at all. It bounds
// attempts and retries, opens its circuit when the API fails, probes, and ramps
// up again:
//
//	admit( retry( attempt( next ) ) )
//
// These three are functions, in admission.go, retry.go and attempt.go. Beside a
// request's way there are
//
//   - the circuit: the snapshot that admit looks at, and its steps from closed to
//     open, half open, recovering and closed again. gobreaker is the state machine
//     at its core and knows closed and open; each generation has one of its own;
//   - the evidence: what finished calls amount to, on pure statistics;
//   - the watchdog, which looks at the calls in flight: evidence that does not wait
//     for time-outs;
//   - the prober, on which no user waits, with its schedule;
//   - the account, a circuit of its own, which the API may refuse;
//   - throttling, which counts the users whom the API's limit keeps from a verdict.
package breaker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"captchagate/captcha"
)

// Fates remembers for captcha.TicketLife the tickets which an attempt of ours
// may have used up. Both methods must not block.
type Fates interface {
	Add(k captcha.Key) bool
	Has(k captcha.Key) bool
}

// Connections are those that calls travel on. Reset has all be forgotten that
// stand, so that the next calls make theirs anew. It must not block.
type Connections interface{ Reset() }

// Ports are what a Breaker needs of the rooms around it.
type Ports struct {
	Fates Fates
	// Abandoned are tickets whose fate is unknown only because the caller left
	// before the answer: anybody can bring that about.
	Abandoned   Fates
	Journal     Journal
	Connections Connections
	Peers       Peers    // nil is Alone
	Siblings    Siblings // nil is Alone
	Calls       Calls    // nil is Nobody
}

// others are those who need not be there.
func (p Ports) others() (Peers, Siblings, Calls) {
	if p.Peers == nil {
		p.Peers = Alone{}
	}
	if p.Siblings == nil {
		p.Siblings = Alone{}
	}
	if p.Calls == nil {
		p.Calls = Nobody{}
	}
	return p.Peers, p.Siblings, p.Calls
}

// A Breaker is a Verifier around another one. It works only while Run runs.
type Breaker struct {
	fates       Fates
	abandoned   Fates
	siblings    Siblings
	limits      Limits
	admission   *admission
	retrier     *retrier
	inFlight    *inFlight
	latencies   *latencies
	circuit     *circuit
	account     *account
	throttled   *throttling
	disbelieved *disbelieved
	calls       Calls
	watchdog    *watchdog
	prober      *prober
}

// New returns a Breaker around next. appID makes the probes' tickets: disaster
// tickets of the standard form, which are not billed and never valid. placement
// is the secret key of the order in which users return.
func New(next captcha.Verifier, ports Ports, appID uint64, placement []byte, cfg Config, limits Limits, log *slog.Logger, reg prometheus.Registerer) (*Breaker, error) {
	if err := errors.Join(cfg.Validate(), limits.Validate()); err != nil {
		return nil, err
	}
	peers, siblings, calls := ports.others()
	now := time.Now()
	mailbox := mailbox{changed: make(chan struct{}, 1), suspicions: make(chan finding, 1)}
	unanswered, doubts := &unanswered{calls: calls}, &doubts{calls: calls}
	outbox := &outbox{journal: ports.Journal, peers: peers, log: log}
	throttle := newThrottle(now)

	b := &Breaker{fates: ports.Fates, abandoned: ports.Abandoned, siblings: siblings, limits: limits, calls: calls}
	metrics := newMetrics(reg, b, calls)
	b.disbelieved = newDisbelieved(metrics.disbelieved, now)
	b.inFlight = &inFlight{max: limits.MaxInFlight, siblings: siblings}
	b.latencies = &latencies{}
	b.circuit = newCircuit(cfg, b.inFlight, b.latencies, ports.Connections, mailbox, outbox, metrics, now)
	b.account = newAccount(mailbox, outbox, now)
	b.throttled = newThrottling(outbox)
	b.watchdog = &watchdog{cfg, b.inFlight, b.latencies, b.circuit, make(chan struct{}, 1)}
	b.prober = &prober{
		next: next, cfg: cfg, usual: target{appID: appID}, circuit: b.circuit, account: b.account,
		peers: peers, mailbox: mailbox, metrics: metrics, calls: calls, unanswered: unanswered,
		disbelieved: b.disbelieved,
	}
	b.prober.due.Store(&time.Time{})
	attempter := &attempter{
		next: next, fates: ports.Fates, abandoned: ports.Abandoned, timeout: limits.AttemptTimeout, slowCall: cfg.SlowCall,
		inFlight: b.inFlight, latencies: b.latencies, circuit: b.circuit, throttle: throttle,
		watchdog: b.watchdog, metrics: metrics, calls: calls, unanswered: unanswered, doubts: doubts,
		disbelieved: b.disbelieved, log: log,
	}
	b.retrier = &retrier{attempter, limits, newRetryBudget(limits.RetryBudget), throttle, metrics}
	b.admission = &admission{b.account, b.circuit, b.inFlight, throttle, order(placement), rate.NewLimiter(rampFloor, rampFloor)}
	return b, nil
}

// Run probes and watches until ctx ends.
func (b *Breaker) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { b.prober.run(ctx) })
	wg.Go(func() { b.watchdog.run(ctx) })
	wg.Go(func() { b.throttled.run(ctx) })
	wg.Wait()
	b.prober.unanswered.judge(true)
	b.retrier.attempter.doubts.judge(time.Now(), false)
}

// Ramp has users come back little by little from now on: the switch had kept
// them away for that long, whatever the circuit did. An open one ramps anyway.
func (b *Breaker) Ramp(away time.Duration) { b.circuit.ramp(away) }

// Verify asks next about t, if that may be done, up to MaxAttempts times within
// the deadline. Its error is a *captcha.Failure.
func (b *Breaker) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	v, f := b.verify(ctx, t)
	b.throttled.user(f != nil && f.Kind == captcha.Throttled)
	if f != nil {
		return captcha.Verdict{}, f
	}
	return v, nil
}

func (b *Breaker) verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, *captcha.Failure) {
	now := time.Now()
	generation, f := b.admission.admit(t, now)
	if f != nil {
		b.spare(ctx, f)
		return captcha.Verdict{}, f
	}
	c := newCall(t, generation, now.Add(b.limits.Deadline))
	v, f := b.retrier.retry(ctx, c)
	b.retrier.attempter.leftInDoubt(c)
	if f != nil {
		f.Kind = finalKind(ctx, c, f)
		if !c.reached {
			b.spare(ctx, f)
		}
		if f.Kind == captcha.Misconfigured {
			b.account.refuse(targetOf(t), f.Code)
		}
		return captcha.Verdict{}, f
	}
	if f := b.ambiguous(ctx, c, v); f != nil {
		return captcha.Verdict{}, f
	}
	return v, nil
}

// spare tells of a user about whom nothing was sent because the circuit was
// open. In shadow everybody's call is.
func (b *Breaker) spare(ctx context.Context, f *captcha.Failure) {
	if x := captcha.ExchangeOf(ctx); f.Kind == captcha.CircuitOpen && (x == nil || x.Shadow == nil) {
		b.calls.Spared()
	}
}

// finalKind is the kind of the failure that ends a request: what its caller or
// the circuit did meanwhile comes before what its last attempt met.
func finalKind(ctx context.Context, c *call, f *captcha.Failure) captcha.Kind {
	switch {
	case ctx.Err() != nil:
		return captcha.Cancelled
	case f.Kind == captcha.Fault && c.generation.isOpen():
		return captcha.CircuitOpen
	}
	return f.Kind
}

// ambiguous returns the failure that v is if it is code 9 while an attempt of our
// own may have used the ticket up: then nobody can tell whether the user did.
func (b *Breaker) ambiguous(ctx context.Context, c *call, v captcha.Verdict) *captcha.Failure {
	if v.Answer == nil || !captcha.Reused(v.Answer.Code) {
		return nil
	}
	ctx, cancel := context.WithDeadline(ctx, c.deadline)
	defer cancel()
	b.awaitTwin(ctx, c)
	ours, abandoned := b.fates.Has(c.key), b.abandoned.Has(c.key)
	if !ours {
		theirs, left := b.siblings.Fate(ctx, c.key)
		ours, abandoned = theirs, abandoned || left
	}
	if !ours && !abandoned {
		return nil
	}
	return &captcha.Failure{
		Kind: captcha.OutcomeUnknown, Err: errAmbiguous,
		FateUnknown: true, Abandoned: !ours, Answer: v.Answer, Attempts: v.Attempts,
	}
}

var errAmbiguous = errors.New("the ticket was used before, perhaps by an attempt of our own that was never answered")

// awaitTwin waits for the calls about the same ticket that are in flight now:
// only their end tells who used the ticket up.
func (b *Breaker) awaitTwin(ctx context.Context, c *call) {
	for now := time.Now(); b.inFlight.hasTwin(c.key, now); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}
