package loadtest

import (
	"slices"
	"time"

	"captchagate/loadtest/scenario"
)

const (
	never = -1.0 // for times that did not come
	// fast is what an answer may take to be fast.
	fast = 100 * time.Millisecond
)

// readOutages tells of each stretch in which nobody could verify.
func (v *view) readOutages() []Outage {
	var out []Outage
	for _, w := range v.outageWindows(v.length) {
		out = append(out, Outage{From: w.from, Until: w.until})
	}
	for i := range out {
		next := v.length
		if i+1 < len(out) {
			next = out[i+1].From
		}
		v.readOutage(&out[i], next)
	}
	return out
}

// outageWindows are the outages of a run of that length.
func (v *view) outageWindows(length float64) (out []window) {
	for _, p := range phases(v.scenario) {
		if !p.Outage || p.From >= length {
			continue
		}
		if n := len(out); n > 0 && out[n-1].until == p.From {
			out[n-1].until = min(p.Until, length)
			continue
		}
		out = append(out, window{p.From, min(p.Until, length)})
	}
	return out
}

// readOutage fills in one; next is when the one after it begins.
func (v *view) readOutage(o *Outage, next float64) {
	t := v.tally(o.From, o.Until)
	o.Useful, o.P50, o.P99, o.P999, o.APICalls = t.Useful, t.P50, t.P99, t.P999, t.APICalls
	o.FastAfter = fastAfter(v.between(o.From, o.Until), o.From)
	o.OpenAfter, o.CallsOpen = never, int64(never)
	if opened := v.opened(*o); opened >= 0 {
		o.OpenAfter = opened - o.From
		o.CallsOpen = v.seen.callsBefore(o.Until) - v.seen.callsBefore(opened)
	}
	o.VerifiedAfter = never
	for _, s := range v.between(o.Until, next) {
		if after := s.ended.Seconds() - o.Until; s.outcome == verified && (o.VerifiedAfter < 0 || after < o.VerifiedAfter) {
			o.VerifiedAfter = after
		}
	}
	o.NormalAfter = v.normalAfter(o.Until, next)
}

// opened is when the circuit opened in an outage, that of the last instance; never
// if one did not that lived. If the circuit is not told, the first answer that it
// caused tells.
func (v *view) opened(o Outage) float64 {
	if len(v.circuit) == 0 {
		first := never
		for _, s := range v.between(o.From, o.Until) {
			if at := s.ended.Seconds(); s.answer != nil && s.answer.Cause == "circuit_open" && (first < 0 || at < first) {
				first = at
			}
		}
		return first
	}
	last := never
	for _, m := range v.members {
		switch opened, died := m.opened(o); {
		case opened >= 0:
			last = max(last, opened)
		case !died:
			return never
		}
	}
	return last
}

// fastAfter says when the first answer came after which answers stay useful
// and fast. A slow one without two others among its twenty neighbours is the
// machine's noise.
func fastAfter(requests []request, from float64) float64 {
	requests = slices.DeleteFunc(slices.Clone(requests), func(s request) bool {
		return s.outcome == hungUp || s.user == scenario.Slow
	})
	good := func(s request) bool { return s.useful() && s.took < fast }
	first := 0
	for i, s := range requests {
		if good(s) {
			continue
		}
		bad := 0
		for _, near := range requests[max(0, i-10):min(len(requests), i+11)] {
			if !good(near) {
				bad++
			}
		}
		if bad >= 3 {
			first = i + 1
		}
	}
	for _, s := range requests[first:] {
		if good(s) {
			return max((s.due+s.took).Seconds()-from, 0)
		}
	}
	return never
}

// normalAfter looks for the first second, in steps of a tenth, in which the API
// decided 99 % of what it can decide.
func (v *view) normalAfter(from, until float64) float64 {
	for at := from; at+1 <= until+1e-9; at += 0.1 {
		if full, of := fullVerdicts(v.between(at, at+1)); of > 0 && full*100 >= of*99 {
			return at - from
		}
	}
	return never
}

// fullVerdicts counts what the API decided, of what it could decide: never a
// disaster ticket, nor about somebody who left.
func fullVerdicts(requests []request) (full, of int) {
	for _, s := range requests {
		if s.user == scenario.Disaster || s.outcome == hungUp {
			continue
		}
		of++
		if s.outcome == verified || s.outcome == rejected {
			full++
		}
	}
	return full, of
}
