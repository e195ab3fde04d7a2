package sla

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"captchagate/captcha"
)

// OwnRecords is what belongs to every figure that is shown.
const OwnRecords = "These are the calls that this gateway saw; the provider's own records decide."

// Text is the report for people.
func (r Report) Text() string {
	var out strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&out, "%-13s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("month", "%s, %s to %s (%s)", r.Month, stamp(r.From), stamp(r.To), r.zone())
	line("availability", "%s; %s is promised: %s", r.available(), percent(r.Target), r.met())
	line("minutes", "%d with requests, %d unavailable", r.Observed, r.Unavailable)
	line("requests", "%d, of which %d failed", r.Requests, r.Failed)
	line("spared", "%d users about whom nobody was asked because the circuit was open", r.Claim.Spared)
	for i, f := range r.Faults {
		name := ""
		if i == 0 {
			name = "faults"
		}
		line(name, "%s", f.text())
		if len(f.RequestIDs) > 0 {
			line("", "  request ids: %s", strings.Join(f.RequestIDs, ", "))
		}
	}
	line("claim", "%s", r.claim())
	line("", "%s", OwnRecords)
	return out.String()
}

// zone says what times are in: the offset that the month begins with.
func (r Report) zone() string { return "times in UTC" + r.From.Format("-07:00") + ", of sla.zone" }

// available is how much of the month was, as far as anybody knows.
func (r Report) available() string {
	if r.Observed == 0 {
		return "not known, since no call was seen"
	}
	return percent(r.Availability)
}

func (r Report) met() string {
	switch {
	case r.Availability < r.Target:
		return "MISSED"
	case r.Observed == 0:
		return "nobody can tell"
	}
	return "met in what was seen"
}

// Summary is the report in a line.
func (r Report) Summary() string {
	if r.Observed == 0 {
		return "no call was seen in this month, so nothing is known of it"
	}
	return fmt.Sprintf("%s available; minutes with calls: %d, unavailable: %d; to claim: %s", percent(r.Availability), r.Observed, r.Unavailable, r.claim())
}

func (r Report) claim() string {
	switch {
	case r.Observed == 0:
		return "nothing: no call was seen"
	case r.Availability >= r.Target:
		return "nothing: the target was met in what was seen"
	case r.Claim.Verifications == 0:
		return "nothing: of what failed in the faults nothing is billed"
	}
	return fmt.Sprintf("%d verifications; ask for them from the fifth working day after %s, and on %s at the latest", r.Claim.Verifications, r.lastDay(), r.Claim.LastDay())
}

// Ticket is the text of a ticket to the provider, "" if there is nothing to claim.
func (r Report) Ticket() string {
	if r.Claim.Verifications == 0 {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Captcha: claim under the service-level agreement for %s\n\n", r.Month)
	fmt.Fprintf(&out, "In %s (%s to %s; %s) calls of our account to the Captcha server API (DescribeCaptchaResult, DescribeCaptchaMiniResult) failed with errors of the API's own, or were not answered:\n\n", r.Month, stamp(r.From), stamp(r.To), "all times in UTC"+r.From.Format("-07:00"))
	for _, f := range r.Faults {
		fmt.Fprintf(&out, "- %s\n", f.text())
		if len(f.RequestIDs) > 0 {
			fmt.Fprintf(&out, "  RequestId: %s\n", strings.Join(f.RequestIDs, ", "))
		}
	}
	if r.unanswered() > 0 {
		fmt.Fprintf(&out, "\nCalls that were not answered have no RequestId.\n")
	}
	billed := r.Claim.Verifications / claimFactor
	fmt.Fprintf(&out, "\nUnavailable minutes of the month by our count: %d, an availability of %s, where %s is promised. In them %d requests failed that are billed (health checks with disaster tickets left out).\n", r.Unavailable, percent(r.Availability), percent(r.Target), billed)
	fmt.Fprintf(&out, "We ask for %d × %d = %d verifications. The last day for this claim is %s.\n", claimFactor, billed, r.Claim.Verifications, r.Claim.LastDay())
	fmt.Fprintf(&out, "\nThese are the calls that our gateway saw; your own records decide.\n")
	return out.String()
}

// text is one line about a fault.
func (f Fault) text() string {
	minutes := "minutes"
	if f.Minutes == 1 {
		minutes = "minute"
	}
	return fmt.Sprintf("%s to %s, %d %s: %d of %d requests failed (%s)", stamp(f.Began), stamp(f.Ended), f.Minutes, minutes, f.Failed, f.Requests, f.kinds())
}

// kinds are those of the failed requests, the most frequent first.
func (f Fault) kinds() string {
	kinds := slices.SortedFunc(maps.Keys(f.Kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(f.Kinds[b], f.Kinds[a]), cmp.Compare(a, b))
	})
	var texts []string
	tell := func(what string, n int64) {
		if n > 0 {
			texts = append(texts, fmt.Sprintf("%s %d", what, n))
		}
	}
	for _, kind := range kinds {
		n := f.Kinds[kind]
		if kind == faultKind {
			unanswered := min(n, max(f.Unanswered-f.Kinds[releasedKind], 0))
			tell("not answered", unanswered)
			n -= unanswered
		}
		tell(cmp.Or(kindTexts[kind], kind), n)
	}
	return strings.Join(texts, ", ")
}

// unanswered is how many of the requests of the faults were not answered.
func (r Report) unanswered() (n int64) {
	for _, f := range r.Faults {
		n += f.Unanswered
	}
	return n
}

// Kinds of those that failed without an error code: a fault may have been answered, with
// nonsense.
var faultKind, releasedKind = captcha.Fault.String(), captcha.CircuitOpen.String()

// kindTexts say what a kind is that no error code of the API's is.
var kindTexts = map[string]string{
	faultKind:    "answered with an HTTP error or with nonsense",
	releasedKind: "given up unanswered when the circuit opened",
	"26":         "CaptchaCode 26",
}

// LastDay is the last day on which it can be asked for, such as 2027-01-31.
func (c Claim) LastDay() string { return c.Until.AddDate(0, 0, -1).Format(time.DateOnly) }

// lastDay is the month's.
func (r Report) lastDay() string { return r.To.AddDate(0, 0, -1).Format(time.DateOnly) }

func stamp(t time.Time) string { return t.Format("2006-01-02 15:04 -07:00") }

// percent cuts off and never rounds up to what was not reached.
func percent(share float64) string {
	return fmt.Sprintf("%.4f %%", float64(int64(share*1e6+1e-6))/1e4)
}
