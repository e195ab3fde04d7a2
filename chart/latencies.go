package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// minLatency is where the scale of latencies begins, in milliseconds: what is
// below no user feels.
const minLatency = 0.1

// A Line is one line of latencies.
type Line struct {
	Class, Label string
	Millis       []float64 // one for each interval; NaN = none, the line breaks
}

// Latencies draws lines over the middles of the intervals on a logarithmic
// scale, height pixels high. The scale reaches over slowest, in milliseconds, to
// a whole power of ten.
func Latencies(a Axis, intervals []Span, lines []Line, slowest float64, height int) Chart {
	scale := newLogScale(slowest, height)
	d := a.empty(height, intervals)
	d.Grid = scale.grid()
	for _, l := range lines {
		d.Keys = append(d.Keys, key{l.Class, l.Label, true})
		var b strings.Builder
		pen := "M"
		for i, ms := range l.Millis {
			if math.IsNaN(ms) {
				pen = "M"
				continue
			}
			fmt.Fprintf(&b, "%s%s %s", pen, a.x((intervals[i].From+intervals[i].Until)/2), trim(scale.y(ms), 1))
			pen = "L"
		}
		if b.Len() > 0 {
			d.Paths = append(d.Paths, path{"line " + l.Class, b.String()})
		}
	}
	return Chart{drawing: d}
}

// A logScale is a logarithmic scale of latencies.
type logScale struct {
	top    float64 // milliseconds at the upper edge
	height int
}

func newLogScale(slowest float64, height int) logScale {
	return logScale{math.Pow(10, math.Ceil(math.Log10(max(slowest, 1000*minLatency)))), height}
}

func (s logScale) y(ms float64) float64 {
	return float64(s.height) * (1 - math.Log10(max(ms, minLatency)/minLatency)/math.Log10(s.top/minLatency))
}

func (s logScale) grid() []tick {
	var out []tick
	for v := minLatency; v <= s.top*1.01; v *= 10 {
		out = append(out, tick{strconv.Itoa(int(math.Round(s.y(v)))), Millis(v)})
	}
	return out
}
