package admin

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"captchagate/chart"
	"captchagate/control"
	"captchagate/watch"
)

// A scope is how far back the charts reach, in steps of so long: more steps than that no
// screen shows.
type scope struct {
	minutes int
	step    time.Duration
}

// The scopes: a quarter of an hour and a day.
var (
	lastQuarter = scope{watch.HistorySeconds / 60, 5 * time.Second}
	lastDay     = scope{watch.HistoryMinutes, 5 * time.Minute}
)

func scopeOf(hours string) scope {
	if hours == "24" {
		return lastDay
	}
	return lastQuarter
}

// A past is what happened, as the charts show it.
type past struct {
	scope

	begins time.Time
	first  time.Time // of what is known; zero if nothing is
	steps  []step
}

// A step is some points put together.
type step struct {
	answers  [6]float64 // by kindsOfAnswers, a second
	answered float64    // calls that the API answered, a second
	faults   float64
	turned   float64 // turned away: throttled or refused
	spared   float64
	p50, p99 float64 // milliseconds; NaN if no call ended
	known    bool    // the gateway ran
	last     bool    // its points may not be there yet
	away     bool    // the circuit was open
	medians  []float64
}

func newPast(of scope, points []watch.Point, now time.Time) past {
	length := time.Duration(of.minutes) * time.Minute
	p := past{scope: of, begins: now.Truncate(of.step).Add(-length).Local(), steps: make([]step, length/of.step)}
	p.steps[len(p.steps)-1].last = true
	for i := range p.steps {
		p.steps[i].p50, p.steps[i].p99 = math.NaN(), math.NaN()
	}
	if len(points) > 0 {
		p.first = points[0].At.Local()
	}
	for _, point := range points {
		if i := int(point.At.Sub(p.begins) / of.step); !point.At.Before(p.begins) && i < len(p.steps) {
			p.steps[i].add(point, of.step.Seconds())
		}
	}
	for i := range p.steps {
		if m := p.steps[i].medians; len(m) > 0 {
			slices.Sort(m)
			p.steps[i].p50 = m[len(m)/2]
		}
	}
	return p
}

// add sums what is counted, and takes the worst of p99.
func (s *step) add(p watch.Point, seconds float64) {
	s.known = true
	s.away = s.away || p.State == open || p.State == halfOpen
	for i, k := range kindsOfAnswers {
		s.answers[i] += float64(k.of(p)) / seconds
	}
	c := p.Calls
	s.answered += float64(c.Passed+c.Rejected+c.Malicious) / seconds
	s.faults += float64(c.Fault) / seconds
	s.turned += float64(c.Throttled+c.Misconfigured) / seconds
	s.spared += float64(p.Spared) / seconds
	if p.P50MS != nil && p.P99MS != nil {
		s.medians = append(s.medians, float64(*p.P50MS))
		s.p99 = max(float64(*p.P99MS), orZero(s.p99))
	}
}

func orZero(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// axis shades outages, and when nobody knows what was.
func (p past) axis() chart.Axis {
	a := chart.Axis{Seconds: float64(p.minutes * 60), Begins: p.begins}
	unknown := p.spans("unplayed", func(s step) bool { return !s.known && !s.last })
	if len(unknown) > 0 && unknown[0].From == 0 {
		unknown[0].Label = p.before()
	}
	a.Shades = append(unknown, p.spans("outage", func(s step) bool { return s.away })...)
	return a
}

// before says why nothing is known of the time at first.
func (p past) before() string {
	form := "15:04:05 MST"
	if p.scope == lastDay { // minutes are kept of it
		form = "15:04 MST"
	}
	if p.first.IsZero() {
		return "no data yet: this instance has just started"
	}
	return "no data: this instance started at " + p.first.Format(form)
}

// spans are where something holds.
func (p past) spans(class string, holds func(step) bool) (all []chart.Span) {
	long := p.step.Seconds()
	for i, s := range p.steps {
		switch {
		case !holds(s):
		case i > 0 && holds(p.steps[i-1]):
			all[len(all)-1].Until += long
		default:
			all = append(all, chart.Span{From: float64(i) * long, Until: float64(i+1) * long, Class: class})
		}
	}
	return all
}

// intervals are the steps, each with a text for who points at it.
func (p past) intervals(text func(step) string) (all []chart.Span) {
	long := p.step.Seconds()
	for i, s := range p.steps {
		at, title := float64(i)*long, "the gateway did not run"
		if s.known {
			title = text(s)
		}
		all = append(all, chart.Span{From: at, Until: at + long, Title: p.begins.Add(time.Duration(i)*p.step).Format("15:04:05") + ": " + title})
	}
	return all
}

// A layer is one kind of what is stacked.
type layer struct {
	class, label string
	of           func(step) float64
}

// stacked draws layers, and describes them.
func (p past) stacked(name string, layers []layer, height int) chart.Chart {
	top := 0.0
	var drawn []chart.Layer
	var told []string
	for _, l := range layers {
		one, sum := chart.Layer{Class: l.class, Label: l.label}, 0.0
		for _, s := range p.steps {
			one.Values = append(one.Values, l.of(s))
			sum += l.of(s) * p.step.Seconds()
		}
		drawn = append(drawn, one)
		if sum >= 1 {
			told = append(told, chart.Count(int64(math.Round(sum)))+" "+l.label)
		}
	}
	for i := range p.steps {
		sum := 0.0
		for _, l := range drawn {
			sum += l.Values[i]
		}
		top = max(top, sum)
	}
	c := chart.Areas(p.axis(), p.intervals(func(s step) string { return textOf(layers, s) }), drawn, chart.Nice(top), height)
	c.Name, c.Description = name, "In all: "+strings.Join(told, ", ")+"."
	if told == nil {
		c.Description = "Nothing."
	}
	return c
}

func textOf(layers []layer, s step) string {
	var parts []string
	for _, l := range layers {
		if v := l.of(s); v > 0 {
			parts = append(parts, chart.Rate(v)+" "+l.label)
		}
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func (p past) answers(events []chart.Event) chart.Chart {
	var layers []layer
	for i, k := range kindsOfAnswers {
		layers = append(layers, layer{k.class, k.label, func(s step) float64 { return s.answers[i] }})
	}
	c := p.stacked("Answers per second", layers, 110).Marked(p.axis(), events)
	for i, e := range events {
		c.Description += fmt.Sprintf(" Mark %d: %s.", i+1, e.Title)
	}
	return c
}

func (p past) calls() chart.Chart {
	return p.stacked("Calls to the Captcha API per second", []layer{
		{"calls", "answered", func(s step) float64 { return s.answered }},
		{"failed", "faults", func(s step) float64 { return s.faults }},
		{"wrong", "turned away", func(s step) float64 { return s.turned }},
		{"hungup", "spared while it is away", func(s step) float64 { return s.spared }},
	}, 60)
}

func (p past) latencies() chart.Chart {
	lines := []chart.Line{{Class: "p50", Label: "half within (p50)"}, {Class: "p99", Label: "99 in 100 within (p99)"}}
	slowest := 0.0
	for _, s := range p.steps {
		lines[0].Millis, lines[1].Millis = append(lines[0].Millis, s.p50), append(lines[1].Millis, s.p99)
		slowest = max(slowest, orZero(s.p99))
	}
	c := chart.Latencies(p.axis(), p.intervals(latencyText), lines, slowest, 60)
	c.Name, c.Description = "Latency of the Captcha API", "No call ended."
	if slowest > 0 {
		c.Description = "The slowest p99 was " + chart.Millis(slowest) + "."
	}
	return c
}

func latencyText(s step) string {
	if math.IsNaN(s.p50) {
		return "no call ended"
	}
	return fmt.Sprintf("half within %s, 99 in 100 within %s", chart.Millis(s.p50), chart.Millis(s.p99))
}

// events are what operators switched.
func (p past) events(entries []control.Entry) (all []chart.Event) {
	for _, e := range slices.Backward(entries) {
		if at := e.At.Sub(p.begins).Seconds(); e.Kind == control.KindSwitch && at >= 0 {
			all = append(all, chart.Event{At: at, Title: e.At.Local().Format("15:04:05") + " " + e.Actor + ": " + e.Summary})
		}
	}
	return all
}

// A numbered is what a mark's number stands for.
type numbered struct {
	N    int
	Text string
}

// toldMarks is how many marks are told beside the charts; all are where they are pointed at.
const toldMarks = 3

func newest(events []chart.Event) (told []numbered) {
	for i, e := range events {
		if i >= len(events)-toldMarks {
			told = append(told, numbered{i + 1, e.Title})
		}
	}
	return told
}

// A chartsPart is the charts as they are shown.
type chartsPart struct {
	Day      bool
	Charts   []template.HTML
	Patterns template.HTML
	Marks    []numbered // the newest of them
	Every    int64      // seconds after which they are drawn anew
}

func (p past) drawn(entries []control.Entry) (part chartsPart, err error) {
	switches := p.events(entries)
	part = chartsPart{Day: p.scope == lastDay, Marks: newest(switches), Every: int64(p.step / time.Second)}
	if part.Patterns, err = chart.Patterns(); err != nil {
		return part, err
	}
	for _, c := range []chart.Chart{p.answers(switches), p.latencies(), p.calls()} {
		text, err := c.HTML()
		if err != nil {
			return part, err
		}
		part.Charts = append(part.Charts, text)
	}
	return part, nil
}
