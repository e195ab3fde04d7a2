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
)

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
			all = append(all, chart.Event{At: at, Title: e.At.Local().Format("15:04:05") + " " + e.Actor + ": " + summaryOf(e)})
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
