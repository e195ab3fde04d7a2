package admin

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"captchagate/chart"
	"captchagate/watch"
)

// A kind of answer is what users got, as the demonstration and the load test's report
// call and colour it.
type kindOfAnswer struct {
	class string // of its colour
	label string // in a chart's legend
	got   string // what of users: "62 % challenge"
	of    func(watch.Point) uint32
}

// kindsOfAnswers are in the order of a chart's layers, from the bottom up.
var kindsOfAnswers = []kindOfAnswer{
	{"verified", "verified", "verified", func(p watch.Point) uint32 { return p.Answers.Allow.Normal }},
	{"rejected", "rejected", "rejected by the API", func(p watch.Point) uint32 { return p.Answers.Deny.Normal }},
	{"solved", "challenge solved", "in by a solved challenge", func(p watch.Point) uint32 { return p.Solved }},
	{"allowed", "let through", "let through", func(p watch.Point) uint32 { return p.Answers.Allow.Degraded - min(p.Solved, p.Answers.Allow.Degraded) }},
	{"challenged", "challenged", "challenge", func(p watch.Point) uint32 { return p.Answers.Challenge.Normal + p.Answers.Challenge.Degraded }},
	{"denied", "denied", "denied", func(p watch.Point) uint32 { return p.Answers.Deny.Degraded }},
}

// A lot is what some users got.
type lot struct {
	Class, Text string
	n           uint32
}

// lately is for how long users are looked at who say what users get now.
const lately = time.Minute

// lotsOf says what users got in the points since a moment, the most frequent first; total
// is how many asked. Whom an operator's "API only" denied is not rejected by the API.
func lotsOf(points []watch.Point, since time.Time, forced bool) (lots []lot, total uint32) {
	for _, k := range kindsOfAnswers {
		n := uint32(0)
		for _, p := range points {
			if !p.At.Before(since) {
				n += k.of(p)
			}
		}
		if total += n; n > 0 {
			got, class := k.got, k.class
			if forced && k.class == "rejected" {
				got, class = "denied", "denied"
			}
			lots = append(lots, lot{class, got, n})
		}
	}
	slices.SortStableFunc(lots, func(a, b lot) int { return cmp.Compare(b.n, a.n) })
	for i := range lots {
		lots[i].Text = wholePercent(lots[i].n, total) + " " + lots[i].Text
	}
	return lots, total
}

// wholePercent never rounds up to all nor down to none.
func wholePercent(n, of uint32) string {
	const gap = "\u202f%"
	switch v := 100 * float64(n) / float64(of); {
	case n < of && v > 99:
		return ">\u202f99" + gap
	case v < 1:
		return "<\u202f1" + gap
	default:
		return fmt.Sprintf("%.0f%s", v, gap)
	}
}

// aMinute writes how many users that was.
func aMinute(total uint32) string {
	if total == 1 {
		return "1 user"
	}
	return chart.Count(int64(total)) + " users"
}
