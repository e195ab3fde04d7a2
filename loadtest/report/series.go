package report

import (
	"fmt"
	"slices"
	"strings"

	"captchagate/loadtest"
)

// most is how many steps a chart draws: more than that no screen shows.
const most = 480

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
	group := (len(t.Series) + most - 1) / most
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
			for _, d := range decisions() {
				*d.of(&s.Answers) += *d.of(&one.Answers)
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

// A decision is one layer of the stack.
type decision struct {
	class, label string
	of           func(*loadtest.Answers) *int
}

// decisions are the layers from the bottom up: what is well first.
func decisions() []decision {
	return []decision{
		{"verified", "verified by the API", func(a *loadtest.Answers) *int { return &a.Verified }},
		{"rejected", "rightly rejected", func(a *loadtest.Answers) *int { return &a.Rejected }},
		{"allowed", "let through (degraded)", func(a *loadtest.Answers) *int { return &a.Allowed }},
		{"challenged", "challenged (degraded)", func(a *loadtest.Answers) *int { return &a.Challenged }},
		{"denied", "denied (degraded)", func(a *loadtest.Answers) *int { return &a.Denied }},
		{"hungup", "user hung up", func(a *loadtest.Answers) *int { return &a.HungUp }},
		{"wrong", "wrong answer", func(a *loadtest.Answers) *int { return &a.Wrong }},
		{"failed", "failed", func(a *loadtest.Answers) *int { return &a.Failed }},
	}
}

func edgesOf(all []step) []float64 {
	var out []float64
	for _, s := range all {
		out = append(out, s.from)
	}
	return append(out, all[len(all)-1].until)
}

// layers are the decisions that any column has: all have one legend.
func layers(all [][]step) []decision {
	return slices.DeleteFunc(decisions(), func(d decision) bool {
		return !slices.ContainsFunc(all, func(one []step) bool {
			return slices.ContainsFunc(one, func(s step) bool { return *d.of(&s.Answers) > 0 })
		})
	})
}

// stack draws answers by decision, each layer on those below it.
func stack(f frame, all []step, top float64, shown []decision) chart {
	c := chart{Name: "Answers per second", Height: 190, Grid: linear(top, 190)}
	if len(all) == 0 {
		return c
	}
	edges, below := edgesOf(all), make([]float64, len(all))
	for i := range below {
		below[i] = float64(c.Height)
	}
	var parts []string
	for _, d := range shown {
		c.Keys = append(c.Keys, key{d.class, d.label})
		total, above := 0, slices.Clone(below)
		for i, s := range all {
			n := *d.of(&s.Answers)
			total += n
			above[i] -= s.perSecond(float64(n)) / top * float64(c.Height)
		}
		if total == 0 {
			continue
		}
		var b strings.Builder
		fmt.Fprintf(&b, "M%s %s", f.x(edges[0]), trim(above[0], 1))
		steps(&b, f, edges, above, false)
		fmt.Fprintf(&b, "V%s", trim(below[len(below)-1], 1))
		steps(&b, f, edges, below, true)
		c.Paths = append(c.Paths, path{"area " + d.class, b.String() + "Z"})
		parts = append(parts, count(total)+" "+d.label)
		below = above
	}
	c.Desc = "Answers by decision over time, stacked. In all: " + strings.Join(parts, ", ") + "."
	for _, s := range all {
		c.Hovers = append(c.Hovers, f.between(s.from, s.until, "", answersText(s)))
	}
	return c
}

func answersText(s step) string {
	parts := []string{fmt.Sprintf("%s: %s requests", clock(s.from), count(s.Sent))}
	for _, d := range decisions() {
		if n := *d.of(&s.Answers); n > 0 {
			parts = append(parts, count(n)+" "+d.label)
		}
	}
	return strings.Join(parts, "\n")
}

// calls draws how often the Captcha API was called.
func calls(f frame, all []step, top float64) chart {
	c := chart{Name: "Calls to the Captcha API per second", Height: 90, Grid: linear(top, 90)}
	if len(all) == 0 {
		return c
	}
	total, levels := int64(0), make([]float64, len(all))
	for i, s := range all {
		total += s.APICalls
		levels[i] = float64(c.Height) * (1 - s.perSecond(float64(s.APICalls))/top)
		c.Hovers = append(c.Hovers, f.between(s.from, s.until, "", fmt.Sprintf("%s: %s calls", clock(s.from), count(s.APICalls))))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "M%s %d", f.x(all[0].from), c.Height)
	steps(&b, f, edgesOf(all), levels, false)
	fmt.Fprintf(&b, "V%d", c.Height)
	c.Paths = []path{{"area calls", b.String() + "Z"}}
	c.Keys = []key{{"calls", "calls that reached the API, probes included"}}
	c.Desc = count(total) + " calls reached the Captcha API."
	return c
}

// busiest is the highest rate among columns, for one scale.
func busiest(all [][]step, of func(step) float64) float64 {
	top := 0.0
	for _, one := range all {
		for _, s := range one {
			top = max(top, s.perSecond(of(s)))
		}
	}
	return nice(top)
}

// slowest is the highest latency among columns.
func slowest(all [][]step) float64 {
	top := 0.0
	for _, one := range all {
		for _, s := range one {
			top = max(top, s.Max)
		}
	}
	return top
}
