package loadtest

import (
	"captchagate/loadtest/scenario"
)

// meet finds what an objective asks for and compares.
func (v *view) meet(o scenario.Objective) Objective {
	out := Objective{Text: o.Text, Found: "no data"}
	found, state := v.find(o)
	switch state {
	case unknown:
		out.Found = "not told"
	case notOnce:
		out.Found = "never"
	case nothing:
	case known:
		out.Found, out.Met = o.Show(found), o.Holds(found)
	}
	return out
}

// finding is whether a measure has a value.
type finding int

const (
	nothing finding = iota // there was nothing to measure it on
	unknown                // the gateway does not tell
	notOnce                // what was waited for did not come
	known
)

func (v *view) find(o scenario.Objective) (float64, finding) {
	switch o.Measure.Name {
	case "sent late p99":
		return v.kept.LateP99, known
	case "upstream calls after opening":
		return v.ofCircuit(func(o Outage) float64 { return float64(o.CallsOpen) })
	case "opens after":
		return v.ofCircuit(func(o Outage) float64 { return o.OpenAfter * 1000 })
	case "fast again after":
		return v.worst(func(o Outage) float64 { return o.FastAfter * 1000 })
	case "first verified after recovery":
		return v.worst(func(o Outage) float64 { return o.VerifiedAfter * 1000 })
	case "normal after recovery":
		return v.worst(func(o Outage) float64 { return o.NormalAfter * 1000 })
	case "transitions":
		return v.changed(v.mode, o)
	case "circuit changes":
		return v.changed(v.circuit, o)
	}
	return v.windowed(o)
}

// ofCircuit is worst for what only a gateway that tells its circuit has.
func (v *view) ofCircuit(of func(Outage) float64) (float64, finding) {
	if len(v.circuit) == 0 {
		return 0, unknown
	}
	return v.worst(of)
}

// worst is the largest over all outages; once never, it is never.
func (v *view) worst(of func(Outage) float64) (float64, finding) {
	most := 0.0
	for _, o := range v.outages {
		value := of(o)
		if value < 0 {
			return 0, notOnce
		}
		most = max(most, value)
	}
	if len(v.outages) == 0 {
		return 0, nothing
	}
	return most, known
}

func (v *view) changed(bands []Band, o scenario.Objective) (float64, finding) {
	if len(bands) == 0 {
		return 0, unknown
	}
	n := 0
	for _, w := range v.windows(o) {
		n += changes(bands, w.from, w.until)
	}
	return float64(n), known
}

// A window is a stretch of the run.
type window struct{ from, until float64 }

// windows are the stretches that an objective is about.
func (v *view) windows(o scenario.Objective) []window {
	if o.Where == scenario.Everywhere {
		return []window{{0, v.length}}
	}
	var out []window
	for _, p := range phases(v.scenario) {
		w := window{p.From, min(p.Until, v.length)}
		switch {
		case o.Where == scenario.InPhase && p.Name == o.Phase,
			o.Where == scenario.DuringOutage && p.Outage,
			o.Where == scenario.OutsideOutage && !p.Outage:
		case o.Where == scenario.AfterPhase && p.Name == o.Phase:
			w = window{p.Until, v.length}
		default:
			continue
		}
		if w.from < w.until {
			out = append(out, w)
		}
	}
	return out
}

// windowed finds what is counted over requests.
func (v *view) windowed(o scenario.Objective) (float64, finding) {
	var shots []shot
	calls := 0.0
	for _, w := range v.windows(o) {
		shots = append(shots, v.between(w.from, w.until)...)
		calls += v.seen.calls(w.until) - v.seen.calls(w.from)
	}
	if len(shots) == 0 {
		return 0, nothing
	}
	t := summarize(shots, calls)
	if ms, ok := latency(o.Measure.Name, t); ok {
		return ms, known
	}
	switch o.Measure.Name {
	case "useful":
		return t.Useful, known
	case "full verdicts":
		full, of := fullVerdicts(shots)
		return percent(full, of), known
	case "verified":
		return percent(
			number(shots, func(s shot) bool { return s.fate == verified }),
			number(shots, func(s shot) bool { return good(s.user) && s.fate != hungUp })), known
	case "upstream calls":
		return float64(t.APICalls), known
	case "attempts per request":
		return float64(t.Attempts) / float64(t.Sent), known
	}
	return counted(o.Measure.Name, t, shots)
}

func latency(measure string, t Tally) (ms float64, ok bool) {
	ms, ok = map[string]float64{"p50": t.P50, "p90": t.P90, "p99": t.P99, "p99.9": t.P999, "slowest": t.Max}[measure]
	return ms, ok
}

// counted finds what is a plain number of requests.
func counted(measure string, t Tally, shots []shot) (float64, finding) {
	n := 0
	switch measure {
	case "requests":
		n = t.Sent
	case "failed":
		n = t.Answers.Failed
	case "let through":
		n = t.Answers.Allowed
	case "challenged":
		n = t.Answers.Challenged
	case "good tickets rejected":
		n = number(shots, func(s shot) bool { return s.fate == wrong && good(s.user) })
	case "bad tickets allowed with full assurance":
		n = number(shots, func(s shot) bool { return s.fate == wrong && !good(s.user) })
	case "disaster tickets let through":
		n = number(shots, func(s shot) bool { return s.fate == allowed && s.user == scenario.Disaster })
	default:
		return 0, nothing
	}
	return float64(n), known
}

func number(shots []shot, is func(shot) bool) (n int) {
	for _, s := range shots {
		if is(s) {
			n++
		}
	}
	return n
}
