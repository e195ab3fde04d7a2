package loadtest

import "slices"

// readMembers tells the instances apart, and how they fared as one.
func (v *view) readMembers() {
	var circuits, modes [][]Band
	for _, one := range v.parts {
		circuit, mode := one.seen.bands(v.length)
		circuits, modes = append(circuits, circuit), append(modes, mode)
		sent := number(v.sent, func(s request) bool { return s.instance == one.at })
		v.members = append(v.members, Member{sent, circuit, mode})
	}
	v.circuit, v.mode = together(circuits, v.length), together(modes, v.length)
}

// opened is when the instance's circuit opened in an outage, or never, and whether
// it was down meanwhile.
func (m Member) opened(o Outage) (at float64, died bool) {
	for _, b := range m.Circuit {
		if b.Until <= o.From || b.From >= o.Until {
			continue
		}
		if b.State == "open" {
			return max(b.From, o.From), died
		}
		died = died || b.State == down
	}
	return never, died
}

// Away are the stretches in which the instance did not answer.
func (m Member) Away() []Band {
	return slices.DeleteFunc(slices.Clone(m.Mode), func(b Band) bool { return b.State != down })
}

// RedisAway are the stretches in which Redis was not as it should be.
func (t Target) RedisAway() []Band {
	return slices.DeleteFunc(slices.Clone(t.Redis), func(b Band) bool { return b.State == "up" })
}
