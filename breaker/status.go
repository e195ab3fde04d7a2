package breaker

import "time"

// Status is where the breaker stands.
type Status struct {
	State               State
	Since               time.Time
	Evidence            string
	Requests            int // calls of the window that are evidence
	Failures            int // of those, faults
	Slow                int // of those, slow
	ConsecutiveFailures int
	Disbelieved         int       // failed calls of the last minute that are no evidence: this process stood still meanwhile
	NextProbeAt         time.Time // zero if no probe is due
	Account             Account
	Throttling          Throttling
	InFlight            int
	P50, P99            time.Duration // of recent answers; zero if there are none
	Transitions         []Transition  // the last ones, newest first
}

// Status tells where the breaker stands.
func (b *Breaker) Status() Status {
	s := b.circuit.snapshot.Load()
	window, inARow := s.generation.evidence.totals(time.Now())
	qs, _ := b.latencies.quantiles(0.5, 0.99)
	return Status{
		State: s.state, Since: s.since, Evidence: s.evidence,
		Requests: window.calls, Failures: window.faults, Slow: window.slow, ConsecutiveFailures: inARow,
		Disbelieved: b.disbelieved.count(time.Now()),
		NextProbeAt: *b.prober.due.Load(),
		Account:     *b.account.whole.Load(),
		Throttling:  b.throttled.status(time.Now()),
		InFlight:    b.inFlight.count(),
		P50:         qs[0], P99: qs[1],
		Transitions: b.circuit.transitions(),
	}
}

// State is where the circuit stands.
func (b *Breaker) State() State { return b.circuit.snapshot.Load().state }

// Share is the share of users that is sent on now: 1 while the circuit is
// closed, 0 while it is open or half open, or the account is refused.
func (b *Breaker) Share() float64 {
	if b.account.whole.Load().State == AccountRefused {
		return 0
	}
	return b.circuit.snapshot.Load().share(time.Now())
}
