package loadtest

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"captchagate/loadtest/scenario"
)

// Stopped says when a run that ended early did; "" where it was played to its
// end.
func (r Run) Stopped() string {
	if !r.EndedEarly {
		return ""
	}
	when := fmt.Sprintf("after %s s of %s s", tenths(r.Seconds), tenths(r.Planned))
	for i, p := range slices.Backward(r.Phases) {
		if r.Seconds >= p.From {
			return fmt.Sprintf("%s, in %s (phase %d of %d)", when, p.Name, i+1, len(r.Phases))
		}
	}
	return when
}

func tenths(seconds float64) string {
	return strconv.FormatFloat(math.Round(seconds*10)/10, 'f', -1, 64)
}

// verdict is the run in a word or two.
func (r Run) verdict() string {
	switch {
	case r.EndedEarly:
		return "stopped early " + r.Stopped()
	case r.Passed:
		return "passed"
	}
	return "missed"
}

// A reach is what a value can still become while the rest is played.
type reach struct{ least, most float64 }

const (
	endless = math.MaxFloat64              // no bound
	unheard = time.Duration(math.MaxInt64) // a latency that may be any
)

// reserve judges an objective of a run that was stopped: it is met or missed
// where the rest could not have changed that, and else not judged.
func (v *view) reserve(out *Objective, o scenario.Objective, state finding) {
	r := v.reach(o)
	if r.least == r.most || r.least == endless {
		return // it had all its time
	}
	always, ever := o.HoldsWithin(r.least, r.most)
	out.Met, out.Unjudged = always, ever && !always
	switch state {
	case notOnce:
		out.Found = "not seen (stopped early)"
	case nothing:
		out.Found = "no data (stopped early)"
	default:
		out.Found += " so far"
	}
}

func (v *view) reach(o scenario.Objective) reach {
	found, _ := v.find(o)
	switch {
	case o.Measure.Name == "sent late p99":
		return reach{0, endless}
	case !o.Measure.Windowed:
		return v.reachOfOutages(o.Measure.Name)
	}
	var shots []shot
	for _, w := range v.windows(o, v.length) {
		shots = append(shots, v.between(w.from, w.until)...)
	}
	left, over := -len(shots), true
	for _, w := range v.windows(o, v.scenario.Length().Seconds()) {
		left += number(v.shots, func(s shot) bool { return s.due.Seconds() >= w.from && s.due.Seconds() < w.until })
		over = over && w.until <= v.length
	}
	if over && left <= 0 {
		return reach{found, found}
	}
	return reachOfRequests(o.Measure, found, shots, left)
}

// reachOfRequests is that of a measure over requests of which some are left.
func reachOfRequests(m scenario.Measure, found float64, shots []shot, left int) reach {
	if n, of, ok := ratio(m.Name, shots); ok {
		return reach{percent(n, of+left), percent(n+left, of+left)}
	}
	if share, ok := share(m.Name); ok {
		took := latencies(shots)
		return reach{
			quantile(sorted(append(slices.Repeat([]time.Duration{0}, left), took...)), share),
			quantile(sorted(append(slices.Repeat([]time.Duration{unheard}, left), took...)), share),
		}
	}
	switch m.Name {
	case "upstream calls", "transitions", "circuit changes":
		return reach{found, endless}
	case "attempts per request":
		return reach{found * float64(len(shots)) / float64(len(shots)+left), endless}
	}
	return reach{found, found + float64(left)}
}

func sorted(d []time.Duration) []time.Duration {
	slices.Sort(d)
	return d
}

// reachOfOutages is that of a measure which is the worst outage's.
func (v *view) reachOfOutages(measure string) reach {
	var worst reach
	for i, w := range v.outageWindows(v.scenario.Length().Seconds()) {
		one := reach{0, endless} // it did not begin
		if i < len(v.outages) {
			one = v.reachOfOutage(measure, v.outages[i], w.until <= v.length, i+1 < len(v.outages))
		}
		worst = reach{max(worst.least, one.least), max(worst.most, one.most)}
	}
	return worst
}

// reachOfOutage is one outage's; over says that it had its whole length, next
// that the one after it has begun.
func (v *view) reachOfOutage(measure string, o Outage, over, next bool) reach {
	inIt, behindIt := v.length-o.From, v.length-o.Until
	switch measure {
	case "upstream calls after opening":
		return wait(float64(o.CallsOpen), 1, over, 0)
	case "opens after":
		return wait(o.OpenAfter, 1000, over || o.OpenAfter >= 0, inIt)
	case "fast again after":
		return wait(o.FastAfter, 1000, over, inIt)
	case "first verified after recovery":
		return wait(o.VerifiedAfter, 1000, next || o.VerifiedAfter >= 0, behindIt)
	default: // normal after recovery, which takes a second to see
		return wait(o.NormalAfter, 1000, next || o.NormalAfter >= 0, max(behindIt-1, 0))
	}
}

// wait is the reach of what is waited for: settled says that its time is over,
// waited how long it did not come. A value under 0 did not come yet.
func wait(value, scale float64, settled bool, waited float64) reach {
	switch {
	case settled && value < 0:
		return reach{endless, endless}
	case settled:
		return reach{value * scale, value * scale}
	case value < 0:
		return reach{waited * scale, endless}
	}
	return reach{value * scale, endless}
}
