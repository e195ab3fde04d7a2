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
	before      usual // before the newest outage; guarded by mu

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
func (c *circuit) probeAnswered(how string, took time.Duration) {
	if !c.snapshot.Load().sends() {
		c.connections.Reset() // users return on connections that are as new as the probe's
	}
	c.step(func(s *snapshot) *snapshot {
		now := time.Now()
		switch {
		case s.sends():
			return nil
		case s.healthyProbes+1 >= c.cfg.Probe.Successes:
			return s.recovers(c.returning(s.probesTook(took), min(c.cfg.Ramp, now.Sub(s.outage)), now), how, now)
		}
		return s.halfOpens(how, took, now)
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
			c.before = c.usual(s, now)
			return s.ramps(c.returning(0, min(away, c.cfg.Ramp), now), "users return from a forced degraded mode", now)
		case Recovering: // nobody was sent on meanwhile: their ramp begins now
			return s.ramps(c.returning(0, c.cfg.Ramp, now), s.evidence, now)
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
		if s.generation.sent.Load() && !(s.generation.ramp.settled(now) && s.generation.evidence.allowsClosing(now, early)) {
			return nil
		}
		s.generation.ramp.over.Store(true)
		return s.closes(now)
	})
}

// returning is the generation of a recovery, whose ramp is held against what was
// usual before the outage and what the probes took that ended it.
func (c *circuit) returning(probes, longest time.Duration, now time.Time) *generation {
	g := c.newGeneration(now)
	g.ramp = newRamp(g, c.inFlight, c.before, probes, longest, now)
	return g
}

// noteUsual keeps what was usual when a closed circuit opens, through the outage
// and all recoveries that fail.
func (c *circuit) noteUsual(s *snapshot, now time.Time) {
	if s.state == Closed {
		c.before = c.usual(s, now)
	}
}

// usual is what calls have been like up to a moment ago.
func (c *circuit) usual(s *snapshot, now time.Time) usual {
	u := usual{median: c.latencies.earlier(), faults: s.generation.evidence.earlierFaults(now)}
	if u.median == 0 {
		u.median = c.before.median
	}
	return u
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
	returned         time.Time     // when users last began to come back after one; zero for never
	healthyProbes    int           // in a row, while half open
	probesTime       time.Duration // what those took, together
	spared           bool          // one of them has failed
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
func (s *snapshot) halfOpens(how string, took time.Duration, now time.Time) *snapshot {
	next := *s
	next.healthyProbes++
	next.probesTime += took
	if s.state == Open {
		next.state, next.since, next.evidence = HalfOpen, now, "a probe was answered, "+how
	}
	return &next
}

// staysOpen follows s, open or half open, when a probe failed. The recovery
// before it did not fail then: the API had been back for a moment.
func (s *snapshot) staysOpen(why string, now time.Time) *snapshot {
	next := *s
	if s.state == HalfOpen && !s.spared { // one of three instances may be ill, and asked by turns
		next.spared = true
		return &next
	}
	next.failedRecoveries, next.healthyProbes, next.probesTime, next.spared = 0, 0, 0, false
	if s.state == HalfOpen {
		next.state, next.since, next.evidence = Open, now, "a probe failed: "+why
	}
	return &next
}

// recovers follows s when enough probes were answered.
func (s *snapshot) recovers(g *generation, how string, now time.Time) *snapshot {
	return s.ramps(g, fmt.Sprintf("%d probes were answered, %s", s.healthyProbes+1, how), now)
}

// probesTook is what the probes of a series took on average, the last one
// included.
func (s *snapshot) probesTook(last time.Duration) time.Duration {
	return (s.probesTime + last) / time.Duration(s.healthyProbes+1)
}

// ramps follows s when users come back little by little.
func (s *snapshot) ramps(g *generation, evidence string, now time.Time) *snapshot {
	next := &snapshot{
		state: Recovering, since: now, generation: g, evidence: evidence,
		outage: s.outage, failedRecoveries: s.failedRecoveries,
	}
	if next.returned = now; s.state == Closed {
		next.outage, next.returned = now, s.returned
	}
	return next
}

// closes follows a recovering s when every user is sent on and all is well.
func (s *snapshot) closes(now time.Time) *snapshot {
	return &snapshot{
		state: Closed, since: now, generation: s.generation, evidence: "every user is sent on again",
		returned: s.returned,
	}
}

// sends reports whether users' calls are sent on, all or some of them.
func (s *snapshot) sends() bool { return s.state == Closed || s.state == Recovering }

// share of users that is sent on: while recovering it grows with what comes back.
func (s *snapshot) share(now time.Time) float64 {
	switch s.state {
	case Closed:
		return 1
	case Recovering:
		return s.generation.ramp.shareAt(now)
	default:
		return 0
	}
}

// onTrial reports whether g is a recovery whose first calls have not ended.
func (s *snapshot) onTrial(g *generation) bool {
	return s.state == Recovering && s.generation == g && g.onTrial()
}
