package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"captchagate/chart"
	"captchagate/loadtest"
)

const (
	passed = "passed"
	missed = "missed"
	early  = "early" // stopped before the end
	busy   = "busy"  // the load was not what it should be, so its figures prove nothing
	empty  = "empty" // nothing to judge by
)

// judge says how a target fared: as a word for the page's looks, and in words
// for people.
func judge(run *loadtest.Run, t *loadtest.Target) (verdict, headline string) {
	n := number(t.Objectives, missedOne)
	switch {
	case run.EndedEarly:
		return early, "Stopped early, " + run.Stopped()
	case t.Total.Sent == 0:
		return empty, "Nothing was sent"
	case !t.Kept.OK && n > 0:
		return busy, fmt.Sprintf("Rate not kept: proves nothing; missed %d of %d objectives", n, len(t.Objectives))
	case !t.Kept.OK:
		return busy, "Rate not kept: proves nothing"
	case n > 0:
		return missed, fmt.Sprintf("Missed %d of %d objectives", n, len(t.Objectives))
	case len(run.Targets) == 1 && !run.Passed:
		return missed, "Not passed"
	case len(t.Objectives) == 0:
		return passed, "No objectives were set"
	}
	return passed, "Passed"
}

func missedOne(o loadtest.Objective) bool { return !o.Met && !o.Unjudged }

func number[T any](all []T, is func(T) bool) (n int) {
	for _, one := range all {
		if is(one) {
			n++
		}
	}
	return n
}

// overall is the worst of the columns.
func overall(columns []column) (verdict, headline string) {
	switch len(columns) {
	case 0:
		return empty, "Nothing was run"
	case 1:
		return columns[0].Verdict, columns[0].Headline
	}
	is := func(verdict string) int { return number(columns, func(c column) bool { return c.Verdict == verdict }) }
	good, stopped, proveNothing := is(passed), is(early), is(busy)
	unkept := number(columns, func(c column) bool { return !c.Target.Kept.OK && c.Target.Total.Sent > 0 }) // also of those that were stopped
	switch {
	case good == len(columns):
		return passed, fmt.Sprintf("All %d passed", good)
	case stopped == len(columns) && columns[0].Run == columns[len(columns)-1].Run:
		return early, columns[0].Headline
	case stopped == len(columns):
		return early, fmt.Sprintf("All %d stopped early", stopped)
	}
	headline = fmt.Sprintf("%d of %d passed", good, len(columns))
	if stopped > 0 {
		headline += fmt.Sprintf(", %d stopped early", stopped)
	}
	if unkept > 0 {
		headline += fmt.Sprintf(", %d did not keep the rate", unkept)
	}
	switch len(columns) - good {
	case stopped:
		return early, headline
	case stopped + proveNothing:
		return busy, headline
	}
	return missed, headline
}

// sentence tells the run to somebody who reads nothing else.
func sentence(run *loadtest.Run, t *loadtest.Target) string {
	if t.Total.Sent == 0 {
		return "No request left, so there is nothing to judge. " + notKept(t.Kept)
	}
	var b strings.Builder
	if !t.Kept.OK {
		b.WriteString(notKept(t.Kept) + " ")
	}
	if run.EndedEarly {
		b.WriteString(untilThen(t.Objectives))
	}
	if s := t.Total.Shadow; s != nil {
		fmt.Fprintf(&b, "The gateway was in shadow: %s of %s calls got what the Captcha API gives without a gateway; the faults in what follows are the API's, and with it %s users would have been allowed, %s challenged and %s denied. ",
			chart.Count(s.Same), chart.Count(s.Compared), chart.Count(s.Allow), chart.Count(s.Challenge), chart.Count(s.Deny))
	}
	fmt.Fprintf(&b, "Of %s requests in %s: %s. %s got a useful answer", chart.Count(t.Total.Sent), chart.Seconds(run.Seconds), split(t.Total), chart.Percent(t.Total.Useful))
	if bad := t.Total.Answers.Wrong; bad > 0 {
		fmt.Fprintf(&b, " and %s got a wrong one", chart.Count(bad))
	}
	if len(t.Outages) == 0 {
		fmt.Fprintf(&b, "; %s, the slowest after %s.", within(t.Total.Useful, t.Total.P99), chart.Millis(t.Total.Max))
	} else {
		b.WriteString("; " + inOutages(run, t))
	}
	return b.String()
}

// split tells what became of users: the four things that can first, also where
// there were none, then what else there was.
func split(t loadtest.Tally) string {
	var parts []string
	for i, o := range outcomes() {
		if n := *o.of(&t.Answers); n > 0 || i < 4 {
			parts = append(parts, o.label+" "+chart.Percent(100*float64(n)/float64(t.Sent)))
		}
	}
	return strings.Join(parts, ", ")
}

// untilThen tells what a run that was stopped has shown of its objectives.
func untilThen(all []loadtest.Objective) string {
	text := "What follows is true of the part that was played"
	open := number(all, func(o loadtest.Objective) bool { return o.Unjudged })
	if open > 0 {
		text += fmt.Sprintf("; %d of %d objectives had no time to show", open, len(all))
	}
	if n := number(all, missedOne); n > 0 {
		text += fmt.Sprintf("; missed whatever the rest had shown: %d", n)
	}
	return text + ". "
}

// inOutages tells of the worst of the outages.
func inOutages(run *loadtest.Run, t *loadtest.Target) string {
	worst := slices.MinFunc(t.Outages, func(a, b loadtest.Outage) int {
		return cmp.Or(cmp.Compare(a.Useful, b.Useful), cmp.Compare(b.P99, a.P99))
	})
	which := "in the outage"
	if n := len(t.Outages); n > 1 {
		which = fmt.Sprintf("in the worst of %d outages", n)
	}
	return fmt.Sprintf("%s %s did, %s (slowest of the whole run: %s), %s",
		which, chart.Percent(worst.Useful), within(worst.Useful, worst.P99), chart.Millis(t.Total.Max), wayBack(run, t))
}

// within tells a latency, and that it is also that of failures if some are:
// a quick error is no service.
func within(useful, p99 float64) string {
	if useful < 100 {
		return "99 in 100 were over, useful or not, within " + chart.Millis(p99)
	}
	return "99 in 100 within " + chart.Millis(p99)
}

// wayBack tells when service was normal again after the last that it was.
func wayBack(run *loadtest.Run, t *loadtest.Target) string {
	latest, last := 0.0, t.Outages[len(t.Outages)-1]
	for i, o := range t.Outages {
		switch {
		case o.NormalAfter >= 0:
			latest = max(latest, o.NormalAfter)
		case last.Until >= run.Seconds:
			return "and the run ended before the outage did."
		case run.EndedEarly:
			return "and normal service had not returned when the run was stopped."
		case len(t.Outages) > 1:
			return fmt.Sprintf("and normal service did not return within the %s that were watched after outage %d.", chart.Seconds(loadtest.WatchedAfter(t.Outages, i, run.Seconds)), i+1)
		default:
			return fmt.Sprintf("and normal service did not return within the %s that were watched after it.", chart.Seconds(loadtest.WatchedAfter(t.Outages, i, run.Seconds)))
		}
	}
	if len(t.Outages) > 1 {
		return "and service was normal again " + chart.Seconds(latest) + " after an outage at the latest."
	}
	return "and service was normal again " + chart.Seconds(latest) + " after it."
}

func notKept(k loadtest.Kept) string {
	if k.OK {
		return ""
	}
	if k.Why == "" {
		return "The load test did not keep its rate, so its figures prove nothing."
	}
	return "The load test did not keep its rate, so its figures prove nothing: " + k.Why + "."
}
