package report

import (
	"slices"

	"captchagate/loadtest"
)

// maxSteps is how many steps a chart draws: more than that no screen shows.
const maxSteps = 480

// A step is a slot, or some that a long run puts together. From, until in
// seconds, latencies in milliseconds.
type step struct {
	loadtest.Slot
	from, until float64
}

func (s step) perSecond(n float64) float64 { return n / max(s.until-s.from, 1e-9) }

// readSteps puts slots together until there are few enough: sums of counts, the
// worst of p99 and max, and the middle of the medians.
func readSteps(run *loadtest.Run, t *loadtest.Target) []step {
	group := (len(t.Series) + maxSteps - 1) / maxSteps
	var out []step
	for i := 0; group > 0 && i < len(t.Series); i += group {
		some := t.Series[i:min(i+group, len(t.Series))]
		s := step{from: float64(i) * loadtest.SlotSeconds}
		s.until = min(s.from+float64(len(some))*loadtest.SlotSeconds, max(run.Seconds, s.from+loadtest.SlotSeconds/25))
		var medians []float64
		for _, one := range some {
			s.Sent += one.Sent
			s.APICalls += one.APICalls
			s.P99, s.Max = max(s.P99, one.P99), max(s.Max, one.Max)
			for _, o := range outcomes() {
				*o.of(&s.Answers) += *o.of(&one.Answers)
			}
			if one.Sent > 0 {
				medians = append(medians, one.P50)
			}
		}
		if slices.Sort(medians); len(medians) > 0 {
			s.P50 = medians[len(medians)/2]
		}
		out = append(out, s)
	}
	return out
}

// An outcome is what became of a request: one layer of the answers' stack.
type outcome struct {
	class, label string
	of           func(*loadtest.Answers) *int
}

// outcomes are the layers from the bottom up: what can become of a good user
// first.
func outcomes() []outcome {
	return []outcome{
		{"verified", "verified", func(a *loadtest.Answers) *int { return &a.Verified }},
		{"allowed", "let through", func(a *loadtest.Answers) *int { return &a.Allowed }},
		{"challenged", "challenged", func(a *loadtest.Answers) *int { return &a.Challenged }},
		{"denied", "denied", func(a *loadtest.Answers) *int { return &a.Denied }},
		{"rejected", "rightly rejected", func(a *loadtest.Answers) *int { return &a.Rejected }},
		{"hungup", "hung up", func(a *loadtest.Answers) *int { return &a.HungUp }},
		{"wrong", "wrong", func(a *loadtest.Answers) *int { return &a.Wrong }},
		{"failed", "failed", func(a *loadtest.Answers) *int { return &a.Failed }},
	}
}

// shownOutcomes are those that any column has: all have one legend.
func shownOutcomes(all [][]step) []outcome {
	return slices.DeleteFunc(outcomes(), func(o outcome) bool {
		return !slices.ContainsFunc(all, func(one []step) bool {
			return slices.ContainsFunc(one, func(s step) bool { return *o.of(&s.Answers) > 0 })
		})
	})
}

// maxRate is the highest rate among columns, for one scale.
func maxRate(all [][]step, of func(step) float64) float64 {
	top := 0.0
	for _, one := range all {
		for _, s := range one {
			top = max(top, s.perSecond(of(s)))
		}
	}
	return top
}

// maxLatency is the highest latency among columns, in milliseconds.
func maxLatency(all [][]step) float64 {
	top := 0.0
	for _, one := range all {
		for _, s := range one {
			top = max(top, s.Max)
		}
	}
	return top
}
