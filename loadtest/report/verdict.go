package report

import (
	"fmt"
	"strings"

	"captchagate/loadtest"
)

const (
	passed = "passed"
	missed = "missed"
	early  = "early" // stopped before the end
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
	case n > 0 && !t.Kept.OK:
		return missed, fmt.Sprintf("Missed %d of %d objectives, rate not kept", n, len(t.Objectives))
	case n > 0:
		return missed, fmt.Sprintf("Missed %d of %d objectives", n, len(t.Objectives))
	case !t.Kept.OK:
		return missed, "Rate not kept"
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
	good, stopped := is(passed), is(early)
	switch {
	case good == len(columns):
		return passed, fmt.Sprintf("All %d passed", good)
	case stopped == len(columns) && columns[0].Run == columns[len(columns)-1].Run:
		return early, columns[0].Headline
	case stopped == len(columns):
		return early, fmt.Sprintf("All %d stopped early", stopped)
	case good+stopped == len(columns):
		return early, fmt.Sprintf("%d of %d passed, %d stopped early", good, len(columns), stopped)
	case stopped > 0:
		return missed, fmt.Sprintf("%d of %d passed, %d stopped early", good, len(columns), stopped)
	}
	return missed, fmt.Sprintf("%d of %d passed", good, len(columns))
}

// sentence tells the run to somebody who reads nothing else.
func sentence(run *loadtest.Run, t *loadtest.Target) string {
	if t.Total.Sent == 0 {
		return "No request left, so there is nothing to judge. " + notKept(t.Kept)
	}
	var b strings.Builder
	if run.EndedEarly {
		b.WriteString(untilThen(t.Objectives))
	}
	fmt.Fprintf(&b, "Of %s requests in %s, %s got a useful answer", count(t.Total.Sent), seconds(run.Seconds), percent(t.Total.Useful))
	if bad := t.Total.Answers.Wrong; bad > 0 {
		fmt.Fprintf(&b, " and %s got a wrong one", count(bad))
	}
	if len(t.Outages) == 0 {
		fmt.Fprintf(&b, "; 99 in 100 had it within %s, the slowest after %s.", millis(t.Total.P99), millis(t.Total.Max))
	} else {
		b.WriteString("; " + inOutages(run, t))
	}
	if !t.Kept.OK {
		b.WriteString(" " + notKept(t.Kept))
	}
	return b.String()
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
	worst, back := t.Outages[0], t.Outages[0].NormalAfter
	for _, o := range t.Outages[1:] {
		if o.P99 > worst.P99 {
			worst = o
		}
		if back >= 0 && (o.NormalAfter < 0 || o.NormalAfter > back) {
			back = o.NormalAfter
		}
	}
	which, after := "in the outage", "after it."
	if n := len(t.Outages); n > 1 {
		which, after = fmt.Sprintf("in the worst of %d outages", n), "after an outage at the latest."
	}
	s := fmt.Sprintf("%s 99 in 100 were answered within %s (slowest of the whole run: %s), ", which, millis(worst.P99), millis(t.Total.Max))
	if back < 0 && t.Outages[len(t.Outages)-1].Until >= run.Seconds {
		return s + "and the run ended before the outage did."
	}
	if back < 0 && run.EndedEarly {
		return s + "and normal service had not returned when the run was stopped."
	}
	if back < 0 {
		return s + "and normal service did not return in the time that was watched."
	}
	return s + "and service was normal again " + seconds(back) + " " + after
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
