package report

import (
	"fmt"
	"strings"

	"captchagate/loadtest"
)

// A bandRow is one row of coloured bands; Y is pixels from the top.
type bandRow struct {
	Name  string
	Y     int
	Spans []span
	Told  bool
}

// A mark is an event's number under the time axis.
type mark struct {
	At    string // percent
	Y     int
	N     int // of the list of events
	Text  string
	Class string
}

const bandHigh, markHigh = 22, 18

// states draws mode and circuit, and under them where events happened.
func states(f frame, t *loadtest.Target) chart {
	c := chart{Name: "State of the gateway, and events"}
	var told []string
	for _, one := range []struct {
		name  string
		bands []loadtest.Band
	}{{"mode", t.Mode}, {"circuit", t.Circuit}} {
		r := bandRow{Name: one.name, Y: c.Height, Told: len(one.bands) > 0}
		for _, b := range one.bands {
			r.Spans = append(r.Spans, f.between(b.From, b.Until, stateClass(b.State), label(b.State)))
			told = append(told, fmt.Sprintf("%s %s from %s to %s", one.name, label(b.State), clock(b.From), clock(b.Until)))
		}
		c.Rows = append(c.Rows, r)
		c.Height += bandHigh + 4
	}
	if len(told) == 0 {
		told = []string{"this target does not tell its state"}
	}
	c.Desc = strings.Join(told, "; ") + "."
	c.Marks = marks(f, t.Events, c.Height)
	high := 0
	for _, m := range c.Marks {
		high = max(high, m.Y+markHigh-c.Height)
	}
	c.Height += high
	return c
}

// marks puts the events' numbers in as many lines as they need to stay apart,
// six at most: then some lie on others and the list tells.
func marks(f frame, events []loadtest.Event, top int) []mark {
	const apart, lines = 0.03, 6
	var ends [lines]float64
	for i := range ends {
		ends[i] = -1
	}
	var out []mark
	for i, e := range events {
		at, line := f.share(e.At), 0
		for line < lines-1 && at-ends[line] < apart {
			line++
		}
		ends[line] = at
		out = append(out, mark{
			At: f.percent(e.At), Y: top + line*markHigh, N: i + 1, Class: kindClass(e.Kind),
			Text: fmt.Sprintf("%s %s: %s", clock(e.At), kind(e.Kind), e.Text),
		})
	}
	return out
}

// stateClass is the looks of a state; a word that is not ours gets plain ones.
func stateClass(state string) string {
	switch state {
	case "closed", "normal":
		return "calm"
	case "open", "degraded":
		return "alarm"
	case "half_open":
		return "half"
	case "recovering":
		return "mend"
	}
	return "other"
}

func kindClass(kind string) string {
	switch kind {
	case "fault", "kill", "script":
		return "harm"
	}
	return "plain"
}

// kind names an event for people: what the JSON calls a transition is one of the
// circuit's, while the objective of that name counts those of the mode.
func kind(event string) string {
	if event == "transition" {
		return "circuit"
	}
	return event
}

// label writes a state's or decision's name for people.
func label(state string) string {
	if state == "" {
		return "–"
	}
	return strings.ReplaceAll(state, "_", " ")
}

// draw gives every column its charts, all on the same scales.
func draw(columns []column) {
	var f frame
	all := make([][]step, len(columns))
	for i, c := range columns {
		f.span = max(f.span, c.Run.Seconds)
		if c.Run.EndedEarly {
			f.span = max(f.span, c.Run.Planned)
		}
		all[i] = readSteps(c.Run, c.Target)
	}
	answers := busiest(all, func(s step) float64 { return float64(s.Sent) })
	toAPI := busiest(all, func(s step) float64 { return float64(s.APICalls) })
	slow, shown := slowest(all), layers(all)
	for i := range columns {
		c := &columns[i]
		c.Charts = []chart{
			stack(f, all[i], answers, shown), latency(f, all[i], slow), calls(f, all[i], toAPI), states(f, c.Target),
		}
		shades, phases := f.backdrop(c.Run)
		for j := range c.Charts {
			c.Charts[j].Times, c.Charts[j].Shades, c.Charts[j].Phases = f.times(), shades, phases
		}
	}
}
