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

// A circuit is the state machine that the others see: it holds the snapshot and
// makes every step from one to the next: the step to open is in generation.go
// with gobreaker, the others here.
type circuit struct {
	cfg      Config
	inFlight *inFlight
	mailbox  mailbox
	outbox   *outbox
	metrics  *metrics

	connections Connections
	latencies   *latencies

	snapshot atomic.Pointer[snapshot]

	mu      sync.Mutex // held for each step
	history []Transition
}

func newCircuit(cfg Config, inFlight *inFlight, latencies *latencies, connections Connections, mailbox mailbox, outbox *outbox, m *metrics, now time.Time) *circuit {
	c := &circuit{
		cfg: cfg, inFlight: inFlight, mailbox: mailbox, outbox: outbox, metrics: m,
		connections: connections, latencies: latencies,
	}
	c.snapshot.Store(begins(c.newGeneration(now), now))
	return c
}

// probeAnswered counts a successful probe: the first makes the circuit half
// open, the last one needed begins recovery.
func (c *circuit) probeAnswered(how string) {
	if !c.snapshot.Load().sends() {
		c.connections.Reset() // users return on connections that are as new as the probe's
	}
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
		if s.state != Recovering || s.share(now) < 1 || s.generation.isOpen() {
			return nil
		}
		early := now.Sub(s.since) < c.cfg.Ramp
		if s.generation.sent.Load() && !s.generation.evidence.allowsClosing(now, early) {
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
	c.metrics.transitions.WithLabelValues(t.From.String(), t.To.String()).Inc()
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

// A snapshot is the state and what belongs to it. It is replaced, never changed;
// how one follows another stands here and nowhere else.
type snapshot struct {
	state            State
	since            time.Time
	generation       *generation
	outage           time.Time     // when the circuit first opened; zero while closed
	ramp             time.Duration // length of the ramp while recovering
	healthyProbes    int           // in a row, while half open
	failedRecoveries int           // in a row, ended by their first calls
	evidence         string        // what led here
}

// begins is the first snapshot of a process.
func begins(g *generation, now time.Time) *snapshot {
	return &snapshot{state: Closed, since: now, generation: g}
}

// opens follows s if its generation trips. An outage that goes on after a
// recovery keeps its age; if probes were answered and the first calls were not,
// probes are trusted later and later.
func (s *snapshot) opens(reason string, now time.Time) *snapshot {
	next := &snapshot{state: Open, since: now, generation: s.generation, outage: now, evidence: reason}
	if s.state == Recovering {
		next.outage = s.outage
		if s.generation.onTrial() {
			next.failedRecoveries = s.failedRecoveries + 1
		}
	}
	return next
}

// halfOpens follows an open s, or one that is half open already, when a probe
// was answered.
func (s *snapshot) halfOpens(how string, now time.Time) *snapshot {
	next := *s
	next.healthyProbes++
	if s.state == Open {
		next.state, next.since, next.evidence = HalfOpen, now, "a probe was answered, "+how
	}
	return &next
}

// staysOpen follows s, open or half open, when a probe failed. The recovery
// before it did not fail then: the API had been back for a moment.
func (s *snapshot) staysOpen(why string, now time.Time) *snapshot {
	next := *s
	next.failedRecoveries, next.healthyProbes = 0, 0
	if s.state == HalfOpen {
		next.state, next.since, next.evidence = Open, now, "a probe failed: "+why
	}
	return &next
}

// recovers follows s when enough probes were answered.
func (s *snapshot) recovers(g *generation, how string, maxRamp time.Duration, now time.Time) *snapshot {
	evidence := fmt.Sprintf("%d probes in a row were answered, %s", s.healthyProbes+1, how)
	return s.ramps(g, evidence, min(maxRamp, now.Sub(s.outage)), now)
}

// ramps follows s when users come back little by little, over d.
func (s *snapshot) ramps(g *generation, evidence string, d time.Duration, now time.Time) *snapshot {
	next := &snapshot{
		state: Recovering, since: now, generation: g, ramp: d, evidence: evidence,
		outage: s.outage, failedRecoveries: s.failedRecoveries,
	}
	if s.state == Closed {
		next.outage = now
	}
	return next
}

// closes follows a recovering s when every user is sent on and all is well.
func (s *snapshot) closes(now time.Time) *snapshot {
	return &snapshot{state: Closed, since: now, generation: s.generation, evidence: "every user is sent on again"}
}

// sends reports whether users' calls are sent on, all or some of them.
func (s *snapshot) sends() bool { return s.state == Closed || s.state == Recovering }

// share of users that is sent on: while recovering it grows evenly over the
// ramp.
func (s *snapshot) share(now time.Time) float64 {
	switch {
	case !s.sends():
		return 0
	case s.state == Recovering && s.ramp > 0:
		return min(float64(now.Sub(s.since))/float64(s.ramp), 1)
	}
	return 1
}

// onTrial reports whether g is a recovery whose first calls have not ended.
func (s *snapshot) onTrial(g *generation) bool {
	return s.state == Recovering && s.generation == g && g.onTrial()
}
