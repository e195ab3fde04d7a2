package breaker

import (
	"fmt"
	"time"
)

// State is where the circuit stands.
type State int

// The states, with the numbers that the metric uses.
const (
	Closed     State = iota // everything is sent on
	HalfOpen                // nothing is sent on; a probe succeeded, more must
	Open                    // nothing is sent on
	Recovering              // a growing share of users is sent on
)

var stateNames = [...]string{"closed", "half_open", "open", "recovering"}

// String names the state as status and metrics do.
func (s State) String() string { return stateNames[s] }

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

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
