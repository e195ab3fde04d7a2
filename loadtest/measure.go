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
		v.judgeEarly(&out, o, state)
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
		return v.changed(func(m Member) []Band { return m.Mode }, o)
	case "circuit changes":
		return v.changed(func(m Member) []Band { return m.Circuit }, o)
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

// changed counts changes of all instances; what one does not tell, none tells.
func (v *view) changed(of func(Member) []Band, o scenario.Objective) (float64, finding) {
	n := 0
	for _, m := range v.members {
		if len(of(m)) == 0 {
			return 0, unknown
		}
		for _, w := range v.windows(o, v.length) {
			n += changes(of(m), w.from, w.until)
		}
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
	var requests []request
	calls := 0.0
	for _, w := range v.windows(o, v.length) {
		requests = append(requests, v.between(w.from, w.until)...)
		calls += v.seen.calls(w.until) - v.seen.calls(w.from)
	}
	if len(requests) == 0 {
		return 0, nothing
	}
	if o.NeedsShadow() {
		return v.inShadow(o, requests)
	}
	if n, of, ok := ratio(o.Measure.Name, requests); ok {
		return percent(n, of), knownOf(of)
	}
	if share, ok := share(o.Measure.Name); ok {
		took := latencies(requests)
		return quantile(sorted(took), share), knownOf(len(took))
	}
	t := summarize(requests, calls)
	switch o.Measure.Name {
	case "upstream calls":
		return float64(t.APICalls), known
	case "attempts per request":
		return float64(t.Attempts) / float64(t.Sent), known
	}
	return counted(o.Measure.Name, t, requests)
}

// knownOf is known if anybody counts: of nobody all is well, and nothing shown.
func knownOf(n int) finding {
	if n == 0 {
		return nothing
	}
	return known
}

// ratio finds what is a share of requests.
func ratio(measure string, requests []request) (n, of int, ok bool) {
	switch measure {
	case "useful":
		return number(requests, func(s request) bool { return s.useful() }), number(requests, func(s request) bool { return s.outcome != hungUp }), true
	case "full verdicts":
		n, of = fullVerdicts(requests)
		return n, of, true
	case "verified":
		return number(requests, func(s request) bool { return s.outcome == verified }),
			number(requests, func(s request) bool { return good(s.user) && s.outcome != hungUp }), true
	}
	return 0, 0, false
}

// share is what part of the latencies a measure lies over.
func share(measure string) (part float64, ok bool) {
	part, ok = map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "slowest": 1}[measure]
	return part, ok
}

// latencies are those of all but who left.
func latencies(requests []request) (took []time.Duration) {
	for _, s := range requests {
		if s.outcome != hungUp {
			took = append(took, s.took)
		}
	}
	return took
}

// counted finds what is a plain number of requests.
func counted(measure string, t Tally, requests []request) (float64, finding) {
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
		n = number(requests, func(s request) bool { return s.outcome == wrong && good(s.user) })
	case "bad tickets allowed with full assurance":
		n = number(requests, func(s request) bool { return s.outcome == wrong && !good(s.user) })
	case "disaster tickets let through":
		n = number(requests, func(s request) bool { return s.outcome == allowed && s.user == scenario.Disaster })
	default:
		return 0, nothing
	}
	return float64(n), known
}

func number(requests []request, is func(request) bool) (n int) {
	for _, s := range requests {
		if is(s) {
			n++
		}
	}
	return n
}
