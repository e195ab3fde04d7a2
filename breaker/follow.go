package breaker

import "time"

// Follow puts in force what this instance and its peers have decided together:
// that the API is away (Open), has answered a probe (HalfOpen), or is back
// (Recovering, Closed). opened is how long ago they opened the circuit, and outage how
// long the API has been away by now. Evidence of this instance's own opens the circuit
// again whatever they decided; and who has come back since they opened it, alone,
// stays so.
func (b *Breaker) Follow(s State, opened, outage time.Duration, why string) {
	b.circuit.follow(s, opened, outage, why)
}

func (c *circuit) follow(to State, opened, outage time.Duration, why string) {
	now := time.Now()
	switch to {
	case Open, HalfOpen:
		s := c.snapshot.Load()
		if s.sends() && s.returned.After(now.Add(-opened)) {
			return
		}
		if s.sends() {
			c.trip(s.generation, why)
		}
		c.step(func(s *snapshot) *snapshot { return s.agrees(to, now.Add(-outage), why, time.Now()) })
	case Recovering, Closed:
		if c.snapshot.Load().sends() {
			return
		}
		c.connections.Reset() // users return on new ones, as after a probe of our own
		c.step(func(s *snapshot) *snapshot {
			now := time.Now()
			if s.sends() {
				return nil
			}
			return s.ramps(c.returning(0, min(c.cfg.Ramp, now.Sub(s.outage)), now), why, now)
		})
	}
}

// agrees follows s, open or half open, where peers hold it to be to since the
// outage began.
func (s *snapshot) agrees(to State, began time.Time, why string, now time.Time) *snapshot {
	if s.sends() {
		return nil
	}
	next := *s
	if began.Before(next.outage) {
		next.outage = began
	}
	if to != s.state {
		next.state, next.since, next.evidence = to, now, why
		next.healthyProbes, next.probesTime, next.spared = 0, 0, false
	}
	return &next
}
