package loadtest

import (
	"cmp"
	"slices"
)

// bands draws the circuit and the process mode from what was seen: the states
// that were looked at, and between the looks the transitions, which have the
// gateway's own times. Each is nil if the gateway does not tell it.
func (s *states) bands(length float64) (circuit, mode []Band) {
	if !slices.ContainsFunc(s.states, func(one state) bool { return one.mode != down }) {
		return nil, nil
	}
	type mark struct {
		at            float64
		circuit, mode string
	}
	var marks []mark
	for _, one := range s.states {
		marks = append(marks, mark{one.at, one.circuit, one.mode})
	}
	for _, m := range s.transitions {
		marks = append(marks, mark{m.at, m.to, modeOf(m.to, s.forcedAt(m.at))})
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	for _, m := range marks {
		mode = extend(mode, m.at, m.mode)
		if m.circuit != "" {
			circuit = extend(circuit, m.at, m.circuit)
		}
	}
	return finish(circuit, length), finish(mode, length)
}

// modeOf is the process mode by the contract.
func modeOf(circuit, forced string) string {
	if forced != "" && forced != "auto" {
		return forced
	}
	if circuit == "closed" {
		return "normal"
	}
	return "degraded"
}

func (s *states) forcedAt(at float64) (forced string) {
	for _, one := range s.states {
		if one.at > at {
			break
		}
		forced = one.forced
	}
	return forced
}

func extend(bands []Band, at float64, state string) []Band {
	if n := len(bands); n > 0 {
		if bands[n-1].State == state {
			return bands
		}
		bands[n-1].Until = at
	}
	return append(bands, Band{State: state, From: at})
}

// finish cuts bands to the run.
func finish(bands []Band, length float64) []Band {
	if n := len(bands); n > 0 {
		bands[n-1].Until = length
	}
	out := slices.DeleteFunc(bands, func(b Band) bool { return b.Until <= 0 || b.From >= length })
	if len(out) > 0 {
		out[0].From = 0
		out[len(out)-1].Until = length
	}
	return out
}

// changes counts changes of state in a stretch of time. That a gateway was
// killed is no change of its state.
func changes(bands []Band, from, until float64) int {
	n, before := 0, ""
	for _, b := range bands {
		if b.State == down {
			continue
		}
		if before != "" && b.State != before && b.From >= from && b.From < until {
			n++
		}
		before = b.State
	}
	return n
}

// together is how instances fare as one: as the worst of those that answer.
func together(all [][]Band, length float64) (out []Band) {
	var times []float64
	for _, bands := range all {
		for _, b := range bands {
			times = append(times, b.From)
		}
	}
	slices.Sort(times)
	for _, at := range slices.Compact(times) {
		state := ""
		for _, bands := range all {
			for _, b := range bands {
				if b.From <= at && at < b.Until {
					state = worse(state, b.State)
				}
			}
		}
		out = extend(out, at, state)
	}
	return finish(out, length)
}

// worse is the worse of two states, of the circuit or of the mode.
func worse(a, b string) string {
	from := []string{"", down, "closed", "normal", "recovering", "half_open"} // those that are in no list are the worst
	rank := func(state string) int {
		if i := slices.Index(from, state); i >= 0 {
			return i
		}
		return len(from)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}
