package admin

import (
	"math"
	"slices"
	"time"

	"captchagate/chart"
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
