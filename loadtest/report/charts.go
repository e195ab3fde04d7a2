package report

import (
	"fmt"
	"math"
	"strings"

	"captchagate/chart"
	"captchagate/loadtest"
)

// addCharts gives every column its charts, all on the same scales.
func addCharts(columns []column) {
	length := 0.0
	all := make([][]step, len(columns))
	for i, c := range columns {
		length = max(length, c.Run.Seconds)
		if c.Run.EndedEarly {
			length = max(length, c.Run.Planned)
		}
		all[i] = readSteps(c.Run, c.Target)
	}
	answers := chart.Nice(maxRate(all, func(s step) float64 { return float64(s.Sent) }))
	calls := chart.Nice(maxRate(all, func(s step) float64 { return float64(s.APICalls) }))
	slowest, shown := maxLatency(all), shownOutcomes(all)
	for i := range columns {
		c := &columns[i]
		c.Axis = newAxis(c.Run, length)
		c.Charts = []chart.Chart{
			answersChart(c.Axis, all[i], answers, shown), latencyChart(c.Axis, all[i], slowest),
			callsChart(c.Axis, all[i], calls), statesChart(c.Axis, c.Target),
		}
	}
}

// newAxis shades when nobody could verify, and what was not played.
func newAxis(run *loadtest.Run, length float64) chart.Axis {
	a := chart.Axis{Seconds: length}
	for _, p := range run.Phases {
		if p.Outage {
			a.Shades = append(a.Shades, chart.Span{From: p.From, Until: p.Until, Class: "outage"})
		}
		about := p.Name + ": " + p.Rate
		if p.Fault != "" {
			about += ", the Captcha API: " + p.Fault
		}
		a.Phases = append(a.Phases, chart.Span{From: p.From, Until: p.Until, Label: p.Name, Title: about})
	}
	if run.Seconds < length {
		a.Shades = append(a.Shades, chart.Span{From: run.Seconds, Until: length, Class: "unplayed"})
	}
	return a
}

func intervals(steps []step, title func(step) string) []chart.Span {
	var out []chart.Span
	for _, s := range steps {
		out = append(out, chart.Span{From: s.from, Until: s.until, Title: chart.Clock(s.from) + ": " + title(s)})
	}
	return out
}

// answersChart stacks answers by what became of the request.
func answersChart(a chart.Axis, steps []step, top float64, shown []outcome) chart.Chart {
	var layers []chart.Layer
	var parts []string
	for _, o := range shown {
		l, total := chart.Layer{Class: o.class, Label: o.label}, 0
		for _, s := range steps {
			n := *o.of(&s.Answers)
			total += n
			l.Values = append(l.Values, s.perSecond(float64(n)))
		}
		layers = append(layers, l)
		if total > 0 {
			parts = append(parts, chart.Count(total)+" "+o.label)
		}
	}
	c := chart.Areas(a, intervals(steps, answersText), layers, top, 190)
	c.Name = "Answers per second"
	if len(steps) > 0 {
		c.Description = "Answers by decision over time, stacked. In all: " + strings.Join(parts, ", ") + "."
	}
	return c
}

func answersText(s step) string {
	parts := []string{chart.Count(s.Sent) + " requests"}
	for _, o := range outcomes() {
		if n := *o.of(&s.Answers); n > 0 {
			parts = append(parts, chart.Count(n)+" "+o.label)
		}
	}
	return strings.Join(parts, "\n")
}

// latencyChart draws percentiles over time; a line breaks while nobody asked.
func latencyChart(a chart.Axis, steps []step, slowest float64) chart.Chart {
	lines := []chart.Line{
		{Class: "p50", Label: "half within (p50)"}, {Class: "p99", Label: "99 in 100 within (p99)"}, {Class: "max", Label: "slowest"}, // dotted, over p99 where both are one
	}
	for _, s := range steps {
		values := []float64{s.P50, s.P99, s.Max}
		for i := range lines {
			if s.Sent == 0 || s.Max == 0 {
				values[i] = math.NaN()
			}
			lines[i].Millis = append(lines[i].Millis, values[i])
		}
	}
	c := chart.Latencies(a, intervals(steps, latencyText), lines, slowest, 170)
	c.Name = "Time to an answer (logarithmic)"
	c.Description = "Time from when a request was to leave until its answer, each quarter of a second, on a logarithmic scale."
	return c
}

func latencyText(s step) string {
	if s.Sent == 0 {
		return "nobody asked"
	}
	return fmt.Sprintf("half within %s\n99 in 100 within %s\nslowest %s", chart.Millis(s.P50), chart.Millis(s.P99), chart.Millis(s.Max))
}

// callsChart draws how often the Captcha API was called.
func callsChart(a chart.Axis, steps []step, top float64) chart.Chart {
	total := int64(0)
	l := chart.Layer{Class: "calls", Label: "calls that reached the API, probes included"}
	for _, s := range steps {
		total += s.APICalls
		l.Values = append(l.Values, s.perSecond(float64(s.APICalls)))
	}
	text := func(s step) string { return chart.Count(s.APICalls) + " calls" }
	c := chart.Areas(a, intervals(steps, text), []chart.Layer{l}, top, 90)
	c.Name = "Calls to the Captcha API per second"
	if len(steps) > 0 {
		c.Description = chart.Count(total) + " calls reached the Captcha API."
	}
	return c
}

// statesChart draws mode and circuit, of a fleet those of each instance and Redis,
// and under them when events happened.
func statesChart(a chart.Axis, t *loadtest.Target) chart.Chart {
	var rows []chart.Row
	var told []string
	for _, one := range stateRows(t) {
		r := chart.Row{Name: one.name, Empty: "not told by this target"}
		for _, b := range one.bands {
			r.Spans = append(r.Spans, chart.Span{From: b.From, Until: b.Until, Class: chart.StateClass(b.State), Label: label(b.State)})
			told = append(told, fmt.Sprintf("%s %s from %s to %s", one.name, label(b.State), chart.Clock(b.From), chart.Clock(b.Until)))
		}
		rows = append(rows, r)
	}
	if len(told) == 0 {
		told = []string{"this target does not tell its state"}
	}
	var events []chart.Event
	for _, e := range t.Events {
		events = append(events, chart.Event{At: e.At, Class: eventClass(e.Kind), Title: fmt.Sprintf("%s %s: %s", chart.Clock(e.At), kind(e.Kind), e.Text)})
	}
	c := chart.States(a, rows, events)
	c.Name, c.Description = "State of the gateway, and events", strings.Join(told, "; ")+"."
	return c
}

// A stateRow is what went through states.
type stateRow struct {
	name  string
	bands []loadtest.Band
}

func stateRows(t *loadtest.Target) (rows []stateRow) {
	if len(t.Members) == 0 {
		rows = []stateRow{{"mode", t.Mode}, {"circuit", t.Circuit}}
	}
	for i, m := range t.Members {
		rows = append(rows, stateRow{fmt.Sprint("mode ", i+1), m.Mode})
	}
	for i, m := range t.Members {
		rows = append(rows, stateRow{fmt.Sprint("circuit ", i+1), m.Circuit})
	}
	if len(t.Redis) > 0 {
		rows = append(rows, stateRow{"Redis", t.Redis})
	}
	return rows
}

func eventClass(kind string) string {
	switch kind {
	case "fault", "kill", "script", "redis":
		return "harm"
	}
	return "plain"
}
