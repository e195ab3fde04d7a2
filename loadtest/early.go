package loadtest

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"captchagate/loadtest/scenario"
)

// Stopped says when a run that ended early did; "" if it was played to its
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

// bounds are what a value can still become while the rest is played.
type bounds struct{ min, max float64 }

const (
	unbounded  = math.MaxFloat64              // no bound
	anyLatency = time.Duration(math.MaxInt64) // a latency that may be any
)

// judgeEarly judges an objective of a run that was stopped: it is met or missed
// if the rest could not have changed that, and else not judged.
func (v *view) judgeEarly(out *Objective, o scenario.Objective, state finding) {
	r := v.bounds(o)
	if r.min == r.max || r.min == unbounded {
		return // it had all its time
	}
	always, ever := o.HoldsWithin(r.min, r.max)
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

func (v *view) bounds(o scenario.Objective) bounds {
	found, _ := v.find(o)
	switch {
	case o.Measure.Name == "sent late p99":
		return bounds{0, unbounded}
	case !o.Measure.Windowed:
		return v.boundsOfOutages(o.Measure.Name)
	}
	var requests []request
	for _, w := range v.windows(o, v.length) {
		requests = append(requests, v.between(w.from, w.until)...)
	}
	left, over := -len(requests), true
	for _, w := range v.windows(o, v.scenario.Length().Seconds()) {
		left += number(v.requests, func(s request) bool { return s.due.Seconds() >= w.from && s.due.Seconds() < w.until })
		over = over && w.until <= v.length
	}
	if over && left <= 0 {
		return bounds{found, found}
	}
	return boundsOfRequests(o.Measure, found, requests, left)
}

// boundsOfRequests is that of a measure over requests of which some are left.
func boundsOfRequests(m scenario.Measure, found float64, requests []request, left int) bounds {
	if n, of, ok := ratio(m.Name, requests); ok {
		return bounds{percent(n, of+left), percent(n+left, of+left)}
	}
	if share, ok := share(m.Name); ok {
		took := latencies(requests)
		return bounds{
			quantile(sorted(append(slices.Repeat([]time.Duration{0}, left), took...)), share),
			quantile(sorted(append(slices.Repeat([]time.Duration{anyLatency}, left), took...)), share),
		}
	}
	switch m.Name {
	case "upstream calls", "transitions", "circuit changes":
		return bounds{found, unbounded}
	case "attempts per request":
		return bounds{found * float64(len(requests)) / float64(len(requests)+left), unbounded}
	}
	return bounds{found, found + float64(left)}
}

func sorted(d []time.Duration) []time.Duration {
	slices.Sort(d)
	return d
}

// boundsOfOutages is that of a measure which is the worst outage's.
func (v *view) boundsOfOutages(measure string) bounds {
	var worst bounds
	for i, w := range v.outageWindows(v.scenario.Length().Seconds()) {
		one := bounds{0, unbounded} // it did not begin
		if i < len(v.outages) {
			one = v.boundsOfOutage(measure, v.outages[i], w.until <= v.length, i+1 < len(v.outages))
		}
		worst = bounds{max(worst.min, one.min), max(worst.max, one.max)}
	}
	return worst
}

// boundsOfOutage is one outage's; over says that it had its whole length, next
// that the one after it has begun.
func (v *view) boundsOfOutage(measure string, o Outage, over, next bool) bounds {
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
func wait(value, scale float64, settled bool, waited float64) bounds {
	switch {
	case settled && value < 0:
		return bounds{unbounded, unbounded}
	case settled:
		return bounds{value * scale, value * scale}
	case value < 0:
		return bounds{waited * scale, unbounded}
	}
	return bounds{value * scale, unbounded}
}
