package chart

import (
	"html/template"
	"math"
	"time"
)

// A Span is a stretch of time, in seconds from the axis' beginning.
type Span struct {
	From, Until float64
	Class       string // its looks in the style sheet
	Label       string // written in it, if it is wide enough
	Title       string // told when it is pointed at
}

// An Axis is the time that charts have in common.
type Axis struct {
	Seconds float64   // its length
	Begins  time.Time // if not zero times of day are written, in its zone, in place of seconds
	Shades  []Span    // drawn behind every chart; Class outage or unplayed
	Phases  []Span    // the parts of the time, which PhasesHTML names
}

// PhasesHTML returns the row of the phases' names, to stand above the charts.
func (a Axis) PhasesHTML() (template.HTML, error) {
	return execute("phases", struct{ Shades, Phases []box }{a.boxes(a.Shades), a.boxes(a.Phases)})
}

// A box is a Span as it is drawn: X and Width are percent.
type box struct{ X, Width, Class, Label, Title string }

func (a Axis) boxes(spans []Span) []box {
	var out []box
	for _, s := range spans {
		width := trim((a.share(s.Until)-a.share(s.From))*100, 2)
		out = append(out, box{a.percent(s.From), width, s.Class, s.Label, s.Title})
	}
	return out
}

// share is where on the axis a moment lies, from 0 to 1.
func (a Axis) share(at float64) float64 {
	if a.Seconds <= 0 {
		return 0
	}
	return min(max(at/a.Seconds, 0), 1)
}

func (a Axis) percent(at float64) string { return trim(a.share(at)*100, 2) }

// x is where a moment lies in a path.
func (a Axis) x(at float64) string { return trim(a.share(at)*width, 1) }

// ticks are at most eight, at round times.
func (a Axis) ticks() []tick {
	if a.Seconds <= 0 {
		return nil
	}
	step := 1.0
	for _, s := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200} {
		step = s
		if a.Seconds/s <= 8 {
			break
		}
	}
	var out []tick
	for at := a.offset(step); at <= a.Seconds*0.97; at += step {
		out = append(out, tick{a.percent(at), a.clock(at)})
	}
	return out
}

// offset is where the first round time is.
func (a Axis) offset(step float64) float64 {
	if a.Begins.IsZero() {
		return 0
	}
	y, m, d := a.Begins.Date()
	sinceMidnight := a.Begins.Sub(time.Date(y, m, d, 0, 0, 0, 0, a.Begins.Location())).Seconds()
	return math.Ceil(sinceMidnight/step)*step - sinceMidnight
}

func (a Axis) clock(at float64) string {
	if a.Begins.IsZero() {
		return Clock(at)
	}
	return a.Begins.Add(time.Duration(at * float64(time.Second))).Format("15:04")
}

// empty is a drawing that has the axis and nothing on it.
func (a Axis) empty(height int, intervals []Span) drawing {
	return drawing{Height: height, Times: a.ticks(), Shades: a.boxes(a.Shades), Hovers: a.boxes(intervals)}
}
