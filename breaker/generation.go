package breaker

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"captchagate/captcha"
)

// A generation is one closed circuit from its beginning until it opens. Recovery
// begins a new one, so that late results of the earlier fall away. gobreaker is
// its state machine, and is spoken to in this file only.
type generation struct {
	gobreaker *gobreaker.CircuitBreaker[captcha.Verdict]
	evidence  *evidence
	ended     atomic.Int32 // calls that ended and were evidence
	sent      atomic.Bool  // calls were sent

	tripReason atomic.Pointer[string] // why it trips, once that is certain
	opened     chan struct{}          // closed when the circuit has opened
	openOnce   sync.Once
}

// never is longer than any process lives: gobreaker's own way out of open is
// put out of the way, because it moves only on a user's traffic.
const never = 100 * 365 * 24 * time.Hour

// newGeneration returns a closed circuit. readyToTrip is asked after each fault,
// under gobreaker's lock.
func newGeneration(cfg Config, now time.Time, readyToTrip func(*generation) bool) *generation {
	g := &generation{evidence: newEvidence(cfg, now), opened: make(chan struct{})}
	g.gobreaker = gobreaker.NewCircuitBreaker[captcha.Verdict](gobreaker.Settings{
		Timeout:      never,
		ReadyToTrip:  func(gobreaker.Counts) bool { return readyToTrip(g) },
		IsSuccessful: func(err error) bool { return err == nil },
		IsExcluded:   func(err error) bool { return err != nil && !isEvidence(err) },
	})
	return g
}

// run makes a call whose end gobreaker counts. It is not made, and fails, if the
// circuit has opened.
func (g *generation) run(call func() (captcha.Verdict, error)) (captcha.Verdict, *captcha.Failure) {
	v, err := g.gobreaker.Execute(call)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, gobreaker.ErrOpenState):
		return v, &captcha.Failure{Kind: captcha.CircuitOpen}
	}
	return v, captcha.AsFailure(err)
}

// trip has gobreaker open now, without waiting for a call to finish; readyToTrip
// must agree.
func (g *generation) trip() {
	_, _ = g.gobreaker.Execute(func() (captcha.Verdict, error) { return captcha.Verdict{}, errTrip })
}

// tripped reports whether gobreaker has opened.
func (g *generation) tripped() bool {
	return g.tripReason.Load() != nil && g.gobreaker.State() == gobreaker.StateOpen
}

// isOpen reports whether the generation has ended, and its calls are released.
func (g *generation) isOpen() bool {
	select {
	case <-g.opened:
		return true
	default:
		return false
	}
}

// onTrial reports whether the generation's first calls have not all ended.
func (g *generation) onTrial() bool { return g.ended.Load() <= canaryCalls }

// mayClose reports whether nothing speaks against the generation and, if calls
// were sent, enough speaks for it. A ramp as short as its outage was has sent
// few: early, only calls that all went well are enough, or it would flap.
func (g *generation) mayClose(now time.Time, early bool) bool {
	switch {
	case g.isOpen():
		return false
	case !g.sent.Load():
		return true
	case early:
		return g.evidence.spotless(now)
	}
	return g.evidence.well(now)
}

// errTrip is the failure by which evidence other than a finished call is put
// to gobreaker.
var errTrip = errors.New("evidence enough")

// isEvidence reports whether a failed attempt speaks against the API.
func isEvidence(err error) bool {
	if errors.Is(err, errTrip) {
		return true
	}
	f, ok := err.(*captcha.Failure) //nolint:errorlint // the type that attempt returns, on the hot path
	return ok && f.Kind == captcha.Fault
}
