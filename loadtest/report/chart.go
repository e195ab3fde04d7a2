package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"captchagate/loadtest"
)

// wide is the charts' inner width: paths are drawn in it and stretched to the
// page, while text and marks are placed in percent and keep their size.
const wide = 1000.0

// A chart is one drawing; template/chart.html makes it SVG. All charts of a page
// have one time axis.
type chart struct {
	Name, Desc string
	Height     int
	Keys       []key
	Shades     []span
	Phases     []span
	Grid       []tick // At is in pixels from the top
	Times      []tick // At is in percent
	Paths      []path
	Hovers     []span
	Rows       []bandRow
	Marks      []mark
}

type key struct{ Class, Label string }

// A span is a stretch of time; From and Wide are percent.
type span struct{ From, Wide, Class, Text string }

type tick struct{ At, Text string }

type path struct{ Class, D string }

// A frame is what charts have in common: the seconds that the axis spans.
type frame struct{ span float64 }

func (f frame) percent(at float64) string { return trim(f.share(at)*100, 2) }

func (f frame) share(at float64) float64 {
	if f.span <= 0 {
		return 0
	}
	return min(max(at/f.span, 0), 1)
}

func (f frame) between(from, until float64, class, text string) span {
	return span{f.percent(from), trim((f.share(until)-f.share(from))*100, 2), class, text}
}

// x is where a moment lies in a path.
func (f frame) x(at float64) string { return trim(f.share(at)*wide, 1) }

// times are the axis' ticks: at most eight, at round times.
func (f frame) times() []tick {
	if f.span <= 0 {
		return nil
	}
	step := 1.0
	for _, s := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200} {
		step = s
		if f.span/s <= 8 {
			break
		}
	}
	var out []tick
	for at := 0.0; at <= f.span*0.97; at += step {
		out = append(out, tick{f.percent(at), clock(at)})
	}
	return out
}

// backdrop shades what nobody could verify in, and what was not played.
func (f frame) backdrop(run *loadtest.Run) (shades, phases []span) {
	for _, p := range run.Phases {
		if p.Outage {
			shades = append(shades, f.between(p.From, p.Until, "outage", p.Name))
		}
		about := p.Name + ": " + p.Rate
		if p.Fault != "" {
			about += ", the Captcha API: " + p.Fault
		}
		phases = append(phases, span{f.percent(p.From), f.between(p.From, p.Until, "", "").Wide, about, p.Name})
	}
	if run.Seconds < f.span {
		shades = append(shades, f.between(run.Seconds, f.span, "unplayed", "not played"))
	}
	return shades, phases
}

// nice is a round number at or over v, of which the half is round too.
func nice(v float64) float64 {
	if v <= 4 {
		return 4
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 4, 6, 8, 10} {
		if v <= n*unit {
			return n * unit
		}
	}
	return 10 * unit
}

// linear labels a scale from nothing to top.
func linear(top float64, height int) []tick {
	var out []tick
	for _, part := range []float64{0, 0.5, 1} {
		text := count(int(top * part))
		out = append(out, tick{strconv.Itoa(height - int(float64(height)*part)), text})
	}
	return out
}

// steps draws a line of levels that hold until the next, from left to right or
// back; values are in pixels from the top.
func steps(b *strings.Builder, f frame, edges, levels []float64, back bool) {
	last := ""
	put := func(edge float64, level string) {
		if level != last {
			fmt.Fprintf(b, "H%sV%s", f.x(edge), level)
			last = level
		}
	}
	if !back {
		for i, l := range levels {
			put(edges[i], trim(l, 1))
		}
		fmt.Fprintf(b, "H%s", f.x(edges[len(levels)]))
		return
	}
	for i, l := range slices.Backward(levels) {
		put(edges[i+1], trim(l, 1))
	}
	fmt.Fprintf(b, "H%s", f.x(edges[0]))
}
