package chart_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"captchagate/chart"
)

func html(t *testing.T, c chart.Chart) string {
	t.Helper()
	text, err := c.HTML()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func has(t *testing.T, got string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(got, want) {
			t.Errorf("it has no %s:\n%s", want, got)
		}
	}
}

// seconds are n intervals of a second.
func seconds(n int) (all []chart.Span) {
	for i := range n {
		all = append(all, chart.Span{From: float64(i), Until: float64(i + 1), Title: fmt.Sprint("second ", i)})
	}
	return all
}

// A path is stretched from 1000 to the page's width, and 10 pixels high here.
func TestAreas_StandOnOneAnother(t *testing.T) {
	got := html(t, chart.Areas(chart.Axis{Seconds: 4}, seconds(4), []chart.Layer{
		{Class: "verified", Label: "verified", Values: []float64{5, 5, 0, 5}},
		{Class: "wrong", Label: "wrong", Values: []float64{0, 0, 0, 0}},
		{Class: "failed", Label: "failed", Values: []float64{0, 0, 10, 5}},
	}, 10, 10))
	has(t, got,
		`<path class="area verified" d="M0 5H500V10H750V5H1000V10H0Z"/>`,
		`<path class="area failed" d="M0 5H500V0H1000V5H750V10H500V5H0Z"/>`,
		`<rect class="area wrong" width="18" height="12"/></svg> wrong</span>`, // in the legend
		`<rect class="hover" x="25%" width="25%" height="10"><title>second 1</title></rect>`,
		`y1="10" y2="10"/><text class="value" x="-6" y="10" dy="4">0</text>`, `y1="0" y2="0"/><text class="value" x="-6" y="0" dy="4">10</text>`,
	)
	if strings.Contains(got, `path class="area wrong"`) {
		t.Error("it draws a layer of nothing")
	}
}

// One power of ten is as high as the next; nothing is drawn while nobody asked.
func TestLatencies_AreLogarithmicAndBreak(t *testing.T) {
	none := math.NaN()
	got := html(t, chart.Latencies(chart.Axis{Seconds: 5}, seconds(5), []chart.Line{
		{Class: "p50", Label: "half", Millis: []float64{1, 10, none, 100, 0.0001}}, {Class: "p99", Label: "all", Millis: []float64{none, none, none, none, none}},
	}, 99, 30))
	has(t, got, `<path class="line p50" d="M100 20L300 10M700 0L900 30"/>`, ">100\u202fms</text>", ">0.1\u202fms</text>", `<path class="line p99" d="M0 6H18"/></svg> all`)
	if strings.Contains(got, `<path class="line p99" d="M0 6H18"/>`+"\n") {
		t.Error("it draws a line of nothing")
	}
}

func TestStates_NumberTheEventsUnderTheBands(t *testing.T) {
	rows := []chart.Row{
		{Name: "mode", Spans: []chart.Span{{Until: 30, Class: chart.StateClass("normal"), Label: "normal"}, {From: 30, Until: 60, Class: chart.StateClass("degraded"), Label: "degraded"}}},
		{Name: "circuit", Empty: "not told"},
	}
	events := []chart.Event{{At: 30, Class: "harm", Title: "it broke"}, {At: 30.5, Title: "it opened"}, {At: 50}}
	got := html(t, chart.States(chart.Axis{Seconds: 60}, rows, events))
	has(t, got,
		`<svg x="0%" y="0" width="50%" height="22"><title>normal</title><rect class="band calm"`, `<svg x="50%" y="0" width="50%" height="22"><title>degraded</title><rect class="band alarm"`,
		`y="26" dy="15">not told</text>`,
		`<g class="mark harm"><title>it broke</title><line class="at" x1="50%" x2="50%" y2="52"/>`,
		`x1="50.83%" x2="50.83%" y2="70"/>`, // too near: one line down
		`x1="83.33%" x2="83.33%" y2="52"/>`,
		`width="100%" height="88">`, // two rows and two lines of numbers
	)
}

func TestStateClass_KnowsEveryStateAndNoOtherWord(t *testing.T) {
	for state, want := range map[string]string{
		"closed": "calm", "normal": "calm", "open": "alarm", "degraded": "alarm", "half_open": "half", "recovering": "mend", "up": "calm", "": "other", "hover": "other",
	} {
		if got := chart.StateClass(state); got != want {
			t.Errorf("%q looks %s, want %s", state, got, want)
		}
	}
}

func TestAxis_TellsRoundTimesAndShadesWhatWasOut(t *testing.T) {
	a := chart.Axis{Seconds: 300, Shades: []chart.Span{{From: 60, Until: 400, Class: "outage"}}, Phases: []chart.Span{{Until: 60, Label: "healthy", Title: "healthy: 300/s"}}}
	got := html(t, chart.Areas(a, nil, nil, 4, 10))
	has(t, got, `<rect class="shade outage" x="20%" width="80%" height="10"/>`, ">0\u202fs</text>", ">60\u202fs</text>", `>2:00</text>`)
	if n := strings.Count(got, `class="tick"`); n != 5 {
		t.Errorf("the axis has %d ticks, want one a minute and none at the end", n)
	}
	phases, err := a.PhasesHTML()
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(phases), `<title>healthy: 300/s</title>`, `<span>healthy</span>`, `<rect class="shade outage" x="20%" width="80%" height="24"/>`)
}

// Names of phases and texts of events come from files and from other programs.
func TestChart_EscapesWhatOthersWrote(t *testing.T) {
	const bad = `</svg><script>alert(1)</script>"'`
	c := chart.States(chart.Axis{Seconds: 1, Phases: []chart.Span{{Until: 1, Label: bad, Title: bad}}},
		[]chart.Row{{Name: bad, Spans: []chart.Span{{Until: 1, Class: bad, Label: bad}}}, {Name: bad, Empty: bad}}, []chart.Event{{Class: bad, Title: bad}})
	c.Name, c.Description = bad, bad
	phases, err := chart.Axis{Seconds: 1, Phases: []chart.Span{{Until: 1, Label: bad, Title: bad}}}.PhasesHTML()
	if err != nil {
		t.Fatal(err)
	}
	if all := html(t, c) + string(phases); strings.Contains(all, "<script") || strings.Contains(all, `"'`) {
		t.Errorf("it has markup of others: %s", all)
	}
}

// Every fill that the style refers to is among the patterns, and every variable
// is its own or one that the page defines.
func TestStyle_RefersToNothingThatIsNotThere(t *testing.T) {
	style, err := chart.Style()
	if err != nil {
		t.Fatal(err)
	}
	patterns, err := chart.Patterns()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(style), "url(#")[1:] {
		id, _, _ := strings.Cut(part, ")")
		has(t, string(patterns), fmt.Sprintf("<pattern id=%q", id))
	}
	for _, part := range strings.Split(string(style), "var(")[1:] {
		name, _, _ := strings.Cut(part, ")")
		if !strings.Contains(string(style), name+":") && !strings.Contains("--ink --soft --card --bad", name) {
			t.Errorf("nobody defines %s", name)
		}
	}
	if strings.Contains(string(style), "@import") {
		t.Error("the style fetches something")
	}
}

func TestNumbers_AreWrittenForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{chart.Count(0), "0"}, {chart.Count(999), "999"}, {chart.Count(1234567), "1 234 567"}, {chart.Count(int64(-1234)), "−1 234"},
		{chart.Percent(100), "100 %"}, {chart.Percent(99.9999), "> 99.99 %"}, {chart.Percent(99.555), "99.55 %"}, {chart.Percent(0.001), "< 0.01 %"}, {chart.Percent(0), "0 %"},
		{chart.Millis(0.4), "0.4 ms"}, {chart.Millis(1.25), "1.2 ms"}, {chart.Millis(136.4), "136 ms"}, {chart.Millis(999.6), "1 s"}, {chart.Millis(5010), "5.01 s"},
		{chart.Seconds(0), "0 s"}, {chart.Seconds(0.18), "180 ms"}, {chart.Seconds(10.66), "10.7 s"}, {chart.Seconds(120), "2 min"}, {chart.Seconds(125.4), "2 min 5 s"},
		{chart.Clock(31.6), "31.6 s"}, {chart.Clock(125), "2:05"},
		{chart.Rate(12.34), "12.3/s"}, {chart.Rate(1500), "1 500/s"},
	} {
		if got := strings.ReplaceAll(c.got, "\u202f", " "); got != c.want {
			t.Errorf("it writes %q, want %q", got, c.want)
		}
	}
	for v, want := range map[float64]float64{0: 4, 4: 4, 5: 6, 11: 20, 30: 40, 75: 80, 95: 100, 101: 200, 900: 1000} {
		if got := chart.Nice(v); got != want {
			t.Errorf("the scale over %v ends at %v, want %v", v, got, want)
		}
	}
}
