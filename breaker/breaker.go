// Package breaker decides whether the Captcha API is asked at all. It bounds
// attempts and retries, opens its circuit when the API fails, probes, and ramps
// up again:
//
//	admit( retry( attempt( next ) ) )
//
// gobreaker is the state machine at its core and knows closed and open. What it
// lacks stands around it: evidence that does not wait for time-outs, a prober
// that no user waits on, half open and recovering, a refused account.
package breaker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
)

// Fates remembers for captcha.TicketLife the tickets which an attempt of ours
// may have used up. Both methods must not block.
type Fates interface {
	Add(k captcha.Key) bool
	Has(k captcha.Key) bool
}

// A Journal is told what happened to the circuits, in order. Its methods must
// not block.
type Journal interface {
	Transition(t Transition)
	Account(a Account)
}

// A Breaker is a Verifier around another one. It works only while Run runs.
type Breaker struct {
	next    captcha.Verifier
	fates   Fates
	journal Journal
	cfg     Config
	limits  Limits
	usual   target // what probes ask about, unless another is refused
	log     *slog.Logger
	metrics *metrics

	flight   *flight
	retries  *bucket
	throttle *throttle
	ramping  *ramp
	alarm    *alarm

	stance     atomic.Pointer[stance]
	account    atomic.Pointer[Account] // as a whole
	refused    atomic.Pointer[refusals]
	complained atomic.Int64  // unix ns of the last complaint about a fault
	wake       chan struct{} // to the prober: look again
	busy       chan struct{} // to the watch: calls are in flight
	suspect    chan string   // to the prober: evidence that one probe would confirm

	mu          sync.Mutex // guards what follows and every change of stance
	transitions []Transition
	nextProbe   time.Time
}

// New returns a Breaker around next. appID makes the probes' tickets: disaster
// tickets of the standard form, which are not billed and never valid.
func New(next captcha.Verifier, fates Fates, journal Journal, appID uint64, cfg Config, limits Limits, log *slog.Logger, reg prometheus.Registerer) (*Breaker, error) {
	if err := errors.Join(cfg.Validate(), limits.Validate()); err != nil {
		return nil, err
	}
	b := &Breaker{
		next: next, fates: fates, journal: journal, usual: target{appID: appID},
		cfg: cfg, limits: limits, log: log,
		flight:   newFlight(limits.MaxInFlight),
		retries:  newBucket(limits.RetryBudget),
		throttle: &throttle{base: time.Now(), floor: pace{rate: throttleFloor}},
		ramping:  newRamp(),
		alarm:    &alarm{},
		wake:     make(chan struct{}, 1),
		busy:     make(chan struct{}, 1),
		suspect:  make(chan string, 1),
	}
	now := time.Now()
	b.account.Store(&Account{State: AccountOK, Since: now})
	b.refused.Store(&refusals{})
	b.stance.Store(&stance{state: Closed, since: now, life: b.newLife()})
	b.metrics = newMetrics(reg, b)
	return b, nil
}

// Run probes and watches until ctx ends.
func (b *Breaker) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { b.probeLoop(ctx) })
	wg.Go(func() { b.watchLoop(ctx) })
	wg.Wait()
}

// Verify asks next about t, where that may be done, up to MaxAttempts times
// within the deadline. Its error is a *captcha.Failure.
func (b *Breaker) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	s := b.stance.Load()
	if kind, ok := b.admit(s, t); !ok {
		return captcha.Verdict{}, unsent[kind]
	}
	c := &call{life: s.life, ticket: t, key: t.Key(), prefix: prefixOf(t.UserIP)}
	v, f := b.pursue(ctx, c)
	if f != nil {
		return captcha.Verdict{}, f
	}
	return v, nil
}

// unsent are the failures of calls that were never sent.
var unsent = map[captcha.Kind]*captcha.Failure{
	captcha.CircuitOpen:   {Kind: captcha.CircuitOpen},
	captcha.Recovering:    {Kind: captcha.Recovering},
	captcha.Misconfigured: {Kind: captcha.Misconfigured},
	captcha.Throttled:     {Kind: captcha.Throttled},
}

// admit says whether a call about t may be sent now, and if not, why.
func (b *Breaker) admit(s *stance, t captcha.Ticket) (captcha.Kind, bool) {
	switch {
	case b.refuses(targetOf(t)):
		return captcha.Misconfigured, false
	case s.state == Open || s.state == HalfOpen:
		return captcha.CircuitOpen, false
	case s.state == Recovering && !b.ramping.admits(s, b.flight.inFlight(), t, time.Now()):
		return captcha.Recovering, false
	case !b.throttle.admits(time.Now()):
		return captcha.Throttled, false
	}
	return 0, true
}

// pursue makes attempts until one is definite or no more may be made.
func (b *Breaker) pursue(ctx context.Context, c *call) (captcha.Verdict, *captcha.Failure) {
	deadline := time.Now().Add(b.limits.Deadline)
	b.retries.feed()
	var r retry
	var last *captcha.Failure
	for n := 1; ; n++ {
		v, f := b.attempt(ctx, c, n, deadline)
		if f == nil {
			v.Attempts = c.sent
			return b.settle(ctx, c, v, deadline)
		}
		if last != nil && c.sent < n {
			return v, b.closing(ctx, c, last) // this retry was never sent
		}
		f.Attempts = c.sent
		if f.Answer == nil && last != nil {
			f.Answer = last.Answer
		}
		if !b.mayRetry(f, n, &r) || !b.pause(ctx, c, &r, deadline) {
			return v, b.closing(ctx, c, f)
		}
		last = f
	}
}

// closing gives the failure that ends a request its final kind.
func (b *Breaker) closing(ctx context.Context, c *call, f *captcha.Failure) *captcha.Failure {
	switch {
	case ctx.Err() != nil:
		f.Kind = captcha.Cancelled
	case f.Kind == captcha.Fault && c.life.isOpen():
		f.Kind = captcha.CircuitOpen
	case f.Kind == captcha.Misconfigured && f.Attempts > 0:
		b.refuseAccount(targetOf(c.ticket), f.Code)
	}
	return f
}

// settle turns code 9 into a failure where an attempt of our own may have used
// the ticket up: then nobody can tell whether the user did.
func (b *Breaker) settle(ctx context.Context, c *call, v captcha.Verdict, deadline time.Time) (captcha.Verdict, *captcha.Failure) {
	b.alarm.observe(b.log, v)
	if v.Answer == nil || !captcha.Reused(v.Answer.Code) {
		return v, nil
	}
	b.awaitTwin(ctx, c, deadline)
	if !b.fates.Has(c.key) {
		return v, nil
	}
	return captcha.Verdict{}, &captcha.Failure{
		Kind: captcha.OutcomeUnknown, Err: errAmbiguous,
		FateUnknown: true, Answer: v.Answer, Attempts: v.Attempts,
	}
}

var errAmbiguous = errors.New("the ticket was used before, perhaps by an attempt of our own that was never answered")

// awaitTwin waits for the calls about the same ticket that are in flight now:
// only their end tells who used the ticket up.
func (b *Breaker) awaitTwin(ctx context.Context, c *call, deadline time.Time) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for now := time.Now(); b.flight.about(c.key, now); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}
