package breaker

import (
	"time"
)

const (
	// probesAnAge is how many probes fit into the age of an outage: short ones
	// are left at once, long ones are not hammered.
	probesAnAge = 30
	// maxEarly is by how much a probe may come early, as a share of its interval,
	// so that instances which fail together do not probe together.
	maxEarly = 0.2
	// maxDoublings bounds what failed recoveries do to the interval.
	maxDoublings = 10
	// longestPatience bounds what peers do to the interval.
	longestPatience = 30 * time.Second
	// patienceLook is how often it is looked whether peers probe no more.
	patienceLook = 250 * time.Millisecond
	// rampLook is how often the end of a ramp is looked for.
	rampLook = 50 * time.Millisecond
)

// A plan is what the prober does next.
type plan struct {
	probeAt time.Time // zero if nothing is open that a probe could close
	about   target
	wait    time.Duration // until then, or until the end of a ramp is looked for
}

// probed is what the prober remembers of its probes.
type probed struct {
	last      map[target]time.Time // when the newest of the schedule began
	undecided bool                 // the newest said neither yes nor no
}

// schedule is when to probe next and what about: the circuit first, then the
// refused target that is due first. patience is the Peers'. early in [0, 1) is how
// much of maxEarly the probe comes early. It depends on nothing but what it is given.
func schedule(cfg Config, s *snapshot, refused refusals, usual target, past probed, patience int, now time.Time, early float64) plan {
	if !s.sends() && patience == 0 {
		return plan{wait: patienceLook}
	}
	next := func(about target, outage, opened time.Time, failed int) time.Time {
		d := interval(cfg.Open, latest(past.last[about], opened), outage, failed)
		if !s.sends() && patience > 1 {
			d = max(d, min(d*time.Duration(patience), longestPatience))
		}
		return latest(past.last[about], opened).Add(d - time.Duration(maxEarly*early*float64(d)))
	}
	var p plan
	switch {
	case s.state == HalfOpen && !past.undecided:
		p.probeAt, p.about = past.last[usual].Add(cfg.Probe.Spacing), usual
	case !s.sends():
		p.probeAt, p.about = next(usual, s.outage, s.since, s.failedRecoveries), usual
	default:
		for about, a := range refused {
			if due := next(about, a.Since, a.Since, 0); p.probeAt.IsZero() || due.Before(p.probeAt) {
				p.probeAt, p.about = due, about
			}
		}
	}
	p.wait = never
	if !p.probeAt.IsZero() {
		p.wait = max(p.probeAt.Sub(now), 0)
	}
	if s.state == Recovering {
		p.wait = min(p.wait, rampLook)
	}
	return p
}

// interval is how long after from the next probe of an outage comes: longer the
// older the outage is, and doubled for each recovery that failed.
func interval(bounds Interval, from, outage time.Time, failed int) time.Duration {
	d := max(from.Sub(outage)/probesAnAge, bounds.Initial)
	return min(d<<min(failed, maxDoublings), bounds.Max)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
