package breaker

import (
	"errors"
	"fmt"
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
	ramp      *ramp        // how users return; nil if none were away

	tripReason atomic.Pointer[string] // why it trips, once that is certain
	opened     chan struct{}          // closed when the circuit has opened
	openOnce   sync.Once
}

// never is longer than any process lives: gobreaker's own way out of open is
// put out of the way, because it moves only on a user's traffic.
const never = 100 * 365 * 24 * time.Hour

// newGeneration returns a closed circuit.
func (c *circuit) newGeneration(now time.Time) *generation {
	g := &generation{evidence: newEvidence(c.cfg, now), opened: make(chan struct{})}
	g.gobreaker = gobreaker.NewCircuitBreaker[captcha.Verdict](gobreaker.Settings{
		Timeout:      never,
		ReadyToTrip:  func(gobreaker.Counts) bool { return c.readyToTrip(g) },
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

// isOpen reports whether the generation has ended, and its calls are released.
func (g *generation) isOpen() bool {
	select {
	case <-g.opened:
		return true
	default:
		return false
	}
}

// onTrial reports whether the call that ended last was one of the generation's
// first, the canaries, or none has ended.
func (g *generation) onTrial() bool { return g.ended.Load() <= canaryCalls }

// returned counts a call that came back and is evidence.
func (g *generation) returned(c *call, took time.Duration, fault bool) {
	g.ended.Add(1)
	if g.ramp != nil {
		g.ramp.ended(c, took, fault)
	}
}

// readyToTrip is gobreaker's question after each fault, asked under its lock.
func (c *circuit) readyToTrip(g *generation) bool {
	if g.tripReason.Load() != nil {
		return true
	}
	now := time.Now()
	reason := c.corroborated(g, g.evidence.judge(now, c.snapshot.Load().onTrial(g)), now)
	if reason != "" {
		g.tripReason.CompareAndSwap(nil, &reason)
	}
	return reason != ""
}

// corroborated returns the reason to trip that a finding is if it came from
// enough places, and the passes of others have stopped. Any other is for the prober
// to confirm. docs/decisions/0010-evidence.md says why.
func (c *circuit) corroborated(g *generation, f finding, now time.Time) (reason string) {
	if f.prefixes < minPrefixes || !g.evidence.passesStopped(now) {
		c.mailbox.suspect(f)
		return ""
	}
	return fmt.Sprintf("%s, of users in %d networks", f.text, f.prefixes)
}

// trip opens the circuit for a reason that no finished call brings to gobreaker.
// The first reason stands.
func (c *circuit) trip(g *generation, reason string) {
	g.tripReason.CompareAndSwap(nil, &reason)
	_, _ = g.gobreaker.Execute(func() (captcha.Verdict, error) { return captcha.Verdict{}, errTrip })
	c.openIfTripped(g)
}

// openIfTripped does once what follows when gobreaker has opened: it says so,
// releases the calls that wait, and forgets what was true of a world that may be
// gone: which connections stand, and what latency is usual.
func (c *circuit) openIfTripped(g *generation) {
	if g.tripReason.Load() == nil || g.gobreaker.State() != gobreaker.StateOpen {
		return
	}
	g.openOnce.Do(func() {
		c.step(func(s *snapshot) *snapshot {
			if s.generation != g {
				return nil // recovery has begun another since
			}
			c.noteUsual(s, time.Now())
			return s.opens(*g.tripReason.Load(), time.Now())
		})
		close(g.opened)
		c.inFlight.release(g)
		c.connections.Reset()
		c.latencies.forget()
	})
}

// errTrip is the failure by which evidence other than a finished call is put
// to gobreaker.
var errTrip = errors.New("evidence enough")

// isEvidence reports whether a failed attempt speaks against the API. One that
// waited in vain for a connection, which others got, does not.
func isEvidence(err error) bool {
	if errors.Is(err, errTrip) {
		return true
	}
	f, ok := err.(*captcha.Failure) //nolint:errorlint // the type that attempt returns, on the hot path
	return ok && f.Kind == captcha.Fault && !f.Connecting
}
