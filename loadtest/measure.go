package loadtest

import (
	"time"

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
		out.Found = v.notWithin(o)
	case nothing:
	case known:
		out.Found, out.Met = o.Show(found), o.Holds(found)
	}
	if v.early && state != unknown {
		v.reserve(&out, o, state)
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

// ofCircuit is worst for what only a gateway that tells of itself has.
func (v *view) ofCircuit(of func(Outage) float64) (float64, finding) {
	if len(v.mode) == 0 {
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
	for _, w := range v.windows(o, v.length) {
		n += changes(bands, w.from, w.until)
	}
	return float64(n), known
}

// A window is a stretch of the run.
type window struct{ from, until float64 }

// windows are the stretches that an objective is about, in a run of that length.
func (v *view) windows(o scenario.Objective, length float64) []window {
	if o.Window == scenario.WholeRun {
		return []window{{0, length}}
	}
	var out []window
	for _, p := range phases(v.scenario) {
		w := window{p.From, min(p.Until, length)}
		switch {
		case o.Window == scenario.InPhase && p.Name == o.Phase,
			o.Window == scenario.DuringOutage && p.Outage,
			o.Window == scenario.OutsideOutage && !p.Outage:
		case o.Window == scenario.AfterPhase && p.Name == o.Phase:
			w = window{p.Until, length}
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
	for _, w := range v.windows(o, v.length) {
		shots = append(shots, v.between(w.from, w.until)...)
		calls += v.seen.calls(w.until) - v.seen.calls(w.from)
	}
	if len(shots) == 0 {
		return 0, nothing
	}
	if n, of, ok := ratio(o.Measure.Name, shots); ok {
		return percent(n, of), knownOf(of)
	}
	if share, ok := share(o.Measure.Name); ok {
		took := latencies(shots)
		return quantile(sorted(took), share), knownOf(len(took))
	}
	t := summarize(shots, calls)
	switch o.Measure.Name {
	case "upstream calls":
		return float64(t.APICalls), known
	case "attempts per request":
		return float64(t.Attempts) / float64(t.Sent), known
	}
	return counted(o.Measure.Name, t, shots)
}

// knownOf is known where anybody counts: of nobody all is well, and nothing shown.
func knownOf(n int) finding {
	if n == 0 {
		return nothing
	}
	return known
}

// ratio finds what is a share of requests.
func ratio(measure string, shots []shot) (n, of int, ok bool) {
	switch measure {
	case "useful":
		return number(shots, func(s shot) bool { return s.useful() }), number(shots, func(s shot) bool { return s.fate != hungUp }), true
	case "full verdicts":
		n, of = fullVerdicts(shots)
		return n, of, true
	case "verified":
		return number(shots, func(s shot) bool { return s.fate == verified }),
			number(shots, func(s shot) bool { return good(s.user) && s.fate != hungUp }), true
	}
	return 0, 0, false
}

// share is what part of the latencies a measure lies over.
func share(measure string) (part float64, ok bool) {
	part, ok = map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "slowest": 1}[measure]
	return part, ok
}

// latencies are those of all but who left.
func latencies(shots []shot) (took []time.Duration) {
	for _, s := range shots {
		if s.fate != hungUp {
			took = append(took, s.took)
		}
	}
	return took
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
