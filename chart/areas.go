package chart

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Layer is one area of a stack.
type Layer struct {
	Class, Label string
	Values       []float64 // one for each interval
}

// Areas stacks layers, the first at the bottom, height pixels high. Values hold
// through their interval; intervals follow one another without a gap. top is the
// value at the upper edge.
func Areas(a Axis, intervals []Span, layers []Layer, top float64, height int) Chart {
	d := a.empty(height, intervals)
	d.Grid = linear(top, height)
	if len(intervals) == 0 {
		return Chart{drawing: d}
	}
	below := slices.Repeat([]float64{float64(height)}, len(intervals))
	for _, l := range layers {
		d.Keys = append(d.Keys, key{Class: l.Class, Label: l.Label})
		if !slices.ContainsFunc(l.Values, func(v float64) bool { return v > 0 }) {
			continue
		}
		above := slices.Clone(below)
		for i, v := range l.Values {
			above[i] -= v / top * float64(height)
		}
		d.Paths = append(d.Paths, path{"area " + l.Class, area(a, intervals, above, below)})
		below = above
	}
	return Chart{drawing: d}
}

// area goes along its upper edge to the right and back along its lower one.
func area(a Axis, intervals []Span, above, below []float64) string {
	var b strings.Builder
	last := trim(above[0], 1)
	fmt.Fprintf(&b, "M%s %s", a.x(intervals[0].From), last)
	levelAt := func(at, level float64) {
		if text := trim(level, 1); text != last {
			fmt.Fprintf(&b, "H%sV%s", a.x(at), text)
			last = text
		}
	}
	for i, l := range above {
		levelAt(intervals[i].From, l)
	}
	for i, l := range slices.Backward(below) {
		levelAt(intervals[i].Until, l)
	}
	fmt.Fprintf(&b, "H%sZ", a.x(intervals[0].From))
	return b.String()
}

// Nice returns a round number at or over v, half of which is round too: the top
// of a scale.
func Nice(v float64) float64 {
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
		out = append(out, tick{strconv.Itoa(height - int(float64(height)*part)), Count(int(top * part))})
	}
	return out
}
