package report

import (
	"fmt"
	"strings"

	"captchagate/loadtest"
)

const (
	passed = "passed"
	missed = "missed"
	early  = "early" // ended before the end
	empty  = "empty" // nothing to judge by
)

// judge says how a target fared: as a word for the page's looks, and in words
// for people.
func judge(run *loadtest.Run, t *loadtest.Target) (verdict, headline string) {
	n := 0
	for _, o := range t.Objectives {
		if !o.Met {
			n++
		}
	}
	switch {
	case t.Total.Sent == 0:
		return empty, "Nothing was sent"
	case run.EndedEarly && n == 0:
		return early, "Ended early"
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

// overall is the worst of the columns.
func overall(columns []column) (verdict, headline string) {
	switch len(columns) {
	case 0:
		return empty, "Nothing was run"
	case 1:
		return columns[0].Verdict, columns[0].Headline
	}
	good := 0
	for _, c := range columns {
		if c.Verdict == passed {
			good++
		}
	}
	if good == len(columns) {
		return passed, fmt.Sprintf("All %d passed", good)
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
		fmt.Fprintf(&b, "Stopped after %s of %s; what follows is true of that part. ", seconds(run.Seconds), seconds(run.Planned))
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
