package admin

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"captchagate/chart"
	"captchagate/control"
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

// lately is for how long users are looked at who say what users get now, and few how many
// answers say nothing in percent.
const (
	lately = time.Minute
	few    = 10
)

// A got is what users get now, as the headline says it: of what was answered since the
// state began, in the last minute at most.
type got struct {
	Begins string // the sentence
	Lots   []lot
	Of     string // how many answers that are, and of which time
	None   string // says it all if nobody asked
	There  string // what those get who are sent to an ill instance; "" if there is none
}

// gotBy says what users get, after the newest points.
func gotBy(s Status, h headline, points []watch.Point, scenes []Scene, now time.Time) got {
	since := later(now.Add(-lately), h.counts())
	lots, total := lotsOf(points, since, s.Override != nil && s.Override.Mode == control.Normal)
	g := got{Begins: "Users get: ", Lots: lots}
	if h.There {
		g.There = gets(scenes)
	}
	here := ""
	if s.Fleet != nil {
		here = ", at this instance"
	}
	switch {
	case total > 0:
		g.Of = answersIn(total) + " in the last " + lastOf(now.Sub(since)) + here
		if h.Badge == badgeRecovering {
			g.Begins, g.Lots = returned(lots, total)
		}
	case h.counts().After(now.Add(-2 * time.Second)): // the first second is counted when it is over
		g.None = "It just began: what users get is known in a second."
	default:
		g.None = "Nobody has asked " + sinceBegan(h, since, now) + here + "."
	}
	if total == 0 && s.Mode == degraded && h.Badge != badgeRecovering {
		g.None += " Users get: " + gets(scenes) + "."
	}
	return g
}

func sinceBegan(h headline, since, now time.Time) string {
	if h.counts().Before(since) {
		return "in the last minute"
	}
	return "since " + atClock(since, now)
}

func lastOf(d time.Duration) string {
	if d >= lately {
		return "minute"
	}
	return spanOf(d)
}

// returned says how far a recovery is: the API decides again about those whom it verified
// or rejected.
func returned(lots []lot, total uint32) (begins string, others []lot) {
	decided := uint32(0)
	for _, l := range lots {
		if l.Class == "verified" || l.Class == "rejected" {
			decided += l.n
		} else {
			others = append(others, l)
		}
	}
	of := " of the users"
	if total < few {
		of = fmt.Sprintf(" of %d users", total)
	}
	begins = partOf(decided, total) + of + " are verified already"
	if len(others) > 0 {
		begins += ", the others still get: "
	}
	return begins, others
}

// lotsOf says what users got in the points since a moment, the most frequent first; total
// is how many answers they are. Whom an operator's forced normal denied is not rejected by the API.
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
		lots[i].Text = partOf(lots[i].n, total) + " " + lots[i].Text
	}
	return lots, total
}

// partOf is a share in percent, or a number if all are few.
func partOf(n, of uint32) string {
	if of < few {
		return fmt.Sprint(n)
	}
	return wholePercent(n, of)
}

// wholePercent never rounds up to all nor down to none.
func wholePercent[T uint32 | int64](n, of T) string {
	const gap = "\u202f%"
	switch v := 100 * float64(n) / float64(of); {
	case n < of && v > 99:
		return ">\u202f99" + gap
	case n > 0 && v < 1:
		return "<\u202f1" + gap
	default:
		return fmt.Sprintf("%.0f%s", v, gap)
	}
}

// answersIn writes how many answers that was.
func answersIn(total uint32) string {
	if total == 1 {
		return "1 answer"
	}
	return chart.Count(int64(total)) + " answers"
}
