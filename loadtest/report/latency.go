package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// fastest is where the latencies' scale begins, in milliseconds: what is below
// no user feels.
const fastest = 0.1

// A log is a logarithmic scale of latencies.
type log struct {
	top    float64
	height int
}

// newLog reaches over the slowest to a whole power of ten.
func newLog(slow float64, height int) log {
	return log{math.Pow(10, math.Ceil(math.Log10(max(slow, 1000*fastest)))), height}
}

func (l log) y(ms float64) float64 {
	return float64(l.height) * (1 - math.Log10(max(ms, fastest)/fastest)/math.Log10(l.top/fastest))
}

func (l log) grid() []tick {
	var out []tick
	for v := fastest; v <= l.top*1.01; v *= 10 {
		out = append(out, tick{strconv.Itoa(int(math.Round(l.y(v)))), millis(v)})
	}
	return out
}

// latency draws percentiles over time; a line breaks where nobody asked.
func latency(f frame, all []step, slow float64) chart {
	const height = 170
	l := newLog(slow, height)
	c := chart{
		Name: "Time to an answer (logarithmic)", Height: height, Grid: l.grid(),
		Keys: []key{{"max", "slowest"}, {"p99", "99 in 100 within (p99)"}, {"p50", "half within (p50)"}},
		Desc: "Time from when a request was to leave until its answer, each quarter of a second, on a logarithmic scale.",
	}
	lines := []struct {
		class string
		of    func(step) float64
	}{
		{"max", func(s step) float64 { return s.Max }},
		{"p99", func(s step) float64 { return s.P99 }},
		{"p50", func(s step) float64 { return s.P50 }},
	}
	for _, line := range lines {
		var b strings.Builder
		pen := "M"
		for _, s := range all {
			if s.Sent == 0 || s.Max == 0 {
				pen = "M"
				continue
			}
			fmt.Fprintf(&b, "%s%s %s", pen, f.x((s.from+s.until)/2), trim(l.y(line.of(s)), 1))
			pen = "L"
		}
		if b.Len() > 0 {
			c.Paths = append(c.Paths, path{"line " + line.class, b.String()})
		}
	}
	for _, s := range all {
		text := clock(s.from) + ": nobody asked"
		if s.Sent > 0 {
			text = fmt.Sprintf("%s: half within %s\n99 in 100 within %s\nslowest %s", clock(s.from), millis(s.P50), millis(s.P99), millis(s.Max))
		}
		c.Hovers = append(c.Hovers, f.between(s.from, s.until, "", text))
	}
	return c
}
