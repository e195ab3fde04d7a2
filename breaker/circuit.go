package breaker

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// keptTransitions is how many transitions the status shows.
const keptTransitions = 50

// A Transition is a change of the circuit's state and why it came.
type Transition struct {
	At       time.Time `json:"at"`
	From     State     `json:"from"`
	To       State     `json:"to"`
	Evidence string    `json:"evidence"`
}

// A circuit is the state machine that the others see: it holds the snapshot and
// makes every step from one to the next. Each step is a method here; what the
// next snapshot looks like is the snapshot's own business.
type circuit struct {
	cfg      Config
	inFlight *inFlight
	mailbox  mailbox
	outbox   *outbox
	metrics  *metrics

	snapshot atomic.Pointer[snapshot]

	mu      sync.Mutex // held for each step
	history []Transition
}

func newCircuit(cfg Config, inFlight *inFlight, mailbox mailbox, outbox *outbox, m *metrics, now time.Time) *circuit {
	c := &circuit{cfg: cfg, inFlight: inFlight, mailbox: mailbox, outbox: outbox, metrics: m}
	c.snapshot.Store(begins(c.newGeneration(now), now))
	return c
}

func (c *circuit) newGeneration(now time.Time) *generation {
	return newGeneration(c.cfg, now, c.readyToTrip)
}

// readyToTrip is gobreaker's question after each fault, asked under its lock.
func (c *circuit) readyToTrip(g *generation) bool {
	if reason := c.corroborated(c.judge(g, time.Now())); reason != "" {
		g.tripReason.CompareAndSwap(nil, &reason)
	}
	return g.tripReason.Load() != nil
}

// judge says what the calls that have finished amount to.
func (c *circuit) judge(g *generation, now time.Time) finding {
	return g.evidence.judge(now, c.snapshot.Load().onTrial(g))
}

// corroborated returns the reason to trip that a finding is if it came from
// enough places. One that did not is for the prober to confirm.
func (c *circuit) corroborated(f finding) (reason string) {
	if f.prefixes < minPrefixes {
		c.suspect(f.text)
		return ""
	}
	return fmt.Sprintf("%s, %d prefixes", f.text, f.prefixes)
}

// suspect has the prober look into what one probe would confirm; "" is nothing.
func (c *circuit) suspect(why string) {
	if why != "" {
		c.mailbox.suspect(why)
	}
}

// trip opens the circuit for a reason that no finished call brings to gobreaker.
// The first reason stands.
func (c *circuit) trip(g *generation, reason string) {
	g.tripReason.CompareAndSwap(nil, &reason)
	g.trip()
	c.openIfTripped(g)
}

// openIfTripped does once what follows when gobreaker has opened: it says so,
// and releases the calls that wait.
func (c *circuit) openIfTripped(g *generation) {
	if !g.tripped() {
		return
	}
	g.openOnce.Do(func() {
		c.step(func(s *snapshot) *snapshot {
			if s.generation != g {
				return nil // recovery has begun another since
			}
			return s.opens(*g.tripReason.Load(), time.Now())
		})
		close(g.opened)
		c.inFlight.release(g)
	})
}

// probeAnswered counts a successful probe: the first makes the circuit half
// open, the last one needed begins recovery.
func (c *circuit) probeAnswered(how string) {
	c.step(func(s *snapshot) *snapshot {
		now := time.Now()
		switch {
		case s.sends():
			return nil
		case s.healthyProbes+1 >= c.cfg.Probe.Successes:
			return s.recovers(c.newGeneration(now), how, c.cfg.Ramp, now)
		}
		return s.halfOpens(how, now)
	})
}

// probeFailed ends a series of successful probes.
func (c *circuit) probeFailed(why string) {
	c.step(func(s *snapshot) *snapshot {
		if s.state == HalfOpen || s.state == Open && s.failedRecoveries > 0 {
			return s.staysOpen(why, time.Now())
		}
		return nil
	})
}

// ramp has users come back little by little from now on, after they were away
// for so long.
func (c *circuit) ramp(away time.Duration) {
	c.step(func(s *snapshot) *snapshot {
		now := time.Now()
		switch s.state {
		case Closed:
			return s.ramps(c.newGeneration(now), "users return from a forced degraded mode", min(away, c.cfg.Ramp), now)
		case Recovering: // nobody was sent on meanwhile: their ramp begins now
			return s.ramps(c.newGeneration(now), s.evidence, min(max(away, s.ramp), c.cfg.Ramp), now)
		case Open, HalfOpen: // will ramp anyway
		}
		return nil
	})
}

// finishRamp closes the circuit once every user is sent on and all is well.
func (c *circuit) finishRamp() {
	c.step(func(s *snapshot) *snapshot {
		now := time.Now()
		early := now.Sub(s.since) < c.cfg.Ramp
		if s.state != Recovering || s.share(now) < 1 || !s.generation.mayClose(now, early) {
			return nil
		}
		return s.closes(now)
	})
}

// step replaces the snapshot by the one that next makes of it, if any, and tells
// of it before it returns. A step that keeps the state is no transition.
func (c *circuit) step(next func(*snapshot) *snapshot) {
	defer c.outbox.deliver() // once the lock is released
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.snapshot.Load()
	s := next(old)
	if s == nil {
		return
	}
	c.snapshot.Store(s)
	c.mailbox.wakeProber()
	if s.state == old.state {
		return
	}
	t := Transition{At: s.since, From: old.state, To: s.state, Evidence: s.evidence}
	if len(c.history) == keptTransitions {
		c.history = slices.Delete(c.history, 0, 1)
	}
	c.history = append(c.history, t)
	c.metrics.transition(t)
	c.outbox.transition(t)
}

// transitions are the last ones, newest first.
func (c *circuit) transitions() []Transition {
	c.mu.Lock()
	defer c.mu.Unlock()
	newest := slices.Clone(c.history)
	slices.Reverse(newest)
	return newest
}
