package breaker

import (
	"context"
	"log/slog"
	"slices"
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

// Status is where the breaker stands.
type Status struct {
	State               State
	Since               time.Time
	Evidence            string
	Requests            int // calls of the window that are evidence
	Failures            int // of those, faults
	Slow                int // of those, slow
	ConsecutiveFailures int
	NextProbeAt         time.Time // zero where no probe is due
	Account             Account
	InFlight            int
	P50, P99            time.Duration // of recent answers; zero where none
	Transitions         []Transition  // the last ones, newest first
}

// State is where the circuit stands.
func (b *Breaker) State() State { return b.stance.Load().state }

// Status tells where the breaker stands.
func (b *Breaker) Status() Status {
	s := b.stance.Load()
	st := Status{
		State: s.state, Since: s.since, Evidence: s.evidence,
		Account: *b.account.Load(), InFlight: b.flight.inFlight(),
	}
	qs, _ := b.flight.quantiles(0.5, 0.99)
	st.P50, st.P99 = qs[0], qs[1]
	e := s.life.evidence
	e.mu.Lock()
	e.advance(time.Now())
	st.Requests, st.Failures, st.Slow, st.ConsecutiveFailures = e.total.calls, e.total.faults, e.total.slow, e.run.n
	e.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	st.NextProbeAt = b.nextProbe
	st.Transitions = slices.Clone(b.transitions)
	slices.Reverse(st.Transitions)
	return st
}

// note keeps a transition and tells it; b.mu is held.
func (b *Breaker) note(t Transition) {
	if len(b.transitions) == keptTransitions {
		b.transitions = slices.Delete(b.transitions, 0, 1)
	}
	b.transitions = append(b.transitions, t)
	b.metrics.transition(t)
	b.journal.Transition(t)
	level := slog.LevelInfo
	if t.To == Open {
		level = slog.LevelWarn
	}
	b.log.Log(context.Background(), level, "circuit "+t.To.String(), "from", t.From.String(), "evidence", t.Evidence)
}
