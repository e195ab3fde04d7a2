package loadtest

import (
	"fmt"
	"io"
	"strings"
	"time"

	"captchagate/chart"
	"captchagate/loadtest/scenario"
)

// A Screen shows a run while it goes on: a line that is drawn over if
// somebody looks at a terminal, else a plain line now and then.
type Screen struct {
	w        io.Writer
	terminal bool
	phase    string
	last     time.Duration
}

// NewScreen returns a screen on w.
func NewScreen(w io.Writer, terminal bool) *Screen { return &Screen{w: w, terminal: terminal} }

// plainEvery is the time between plain lines of one phase.
const plainEvery = 5 * time.Second

// Begin says what is about to be played.
func (s *Screen) Begin(sc scenario.Scenario) {
	fmt.Fprintf(s.w, "%s: %s (%v; Ctrl-C ends it early)\n", sc.Name, sc.Title, sc.Length())
}

// Show shows how the run stands.
func (s *Screen) Show(p Progress) {
	if s.terminal {
		const width = 24
		full := min(int(width*p.At/max(p.Length, 1)), width)
		bar := strings.Repeat("█", full) + strings.Repeat("░", width-full)
		fmt.Fprintf(s.w, "\r\x1b[K%s %s", bar, line(p))
		return
	}
	if p.Phase == s.phase && p.At-s.last < plainEvery {
		return
	}
	s.phase, s.last = p.Phase, p.At
	fmt.Fprintln(s.w, line(p))
}

// End leaves the line that was drawn over.
func (s *Screen) End() {
	if s.terminal {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}

func line(p Progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%4.1fs/%.0fs  %s %s", p.At.Seconds(), p.Length.Seconds(), p.Phase, p.Rate)
	if p.Fault != "" {
		fmt.Fprintf(&b, ", API: %s", p.Fault)
	}
	for _, t := range p.Targets {
		b.WriteString(" | ")
		if len(p.Targets) > 1 {
			b.WriteString(t.Name + ": ")
		}
		a := t.Answers
		fmt.Fprintf(&b, "verified %d, let through %d, challenged %d, denied %d, rejected %d", a.Verified, a.Allowed, a.Challenged, a.Denied, a.Rejected)
		if a.Failed+a.Wrong > 0 {
			fmt.Fprintf(&b, ", failed %d, wrong %d", a.Failed, a.Wrong)
		}
		fmt.Fprintf(&b, ", p99 %.0f ms", t.P99)
		if t.Circuit != "" {
			b.WriteString(", circuit " + t.Circuit)
		}
	}
	return b.String()
}

// Summarize writes what a run showed, for a terminal.
func Summarize(w io.Writer, r Run) {
	if r.EndedEarly {
		fmt.Fprintf(w, "\nSTOPPED EARLY, %s: what is not judged had no time to show\n", r.Stopped())
	}
	for _, t := range r.Targets {
		fmt.Fprintf(w, "\n%s: %d requests in %.0f s, %.0f/s\n", t.Name, t.Total.Sent, r.Seconds, t.Kept.Sent)
		if !t.Kept.OK {
			fmt.Fprintf(w, "  RATE NOT KEPT, so what follows proves nothing: %s\n", t.Kept.Why)
		}
		summarizeAnswers(w, t.Total)
		summarizeShadow(w, t.Total.Shadow)
		summarizeFleet(w, t, r.Seconds)
		for _, o := range t.Objectives {
			fmt.Fprintf(w, "  %-10s  %-48s %s\n", mark(o), o.Text, o.Found)
		}
		fmt.Fprintf(w, "  sent late by %.2f ms at the 99th percentile, %.1f ms at most\n", t.Kept.LateP99, t.Kept.LateMax)
	}
}

// summarizeAnswers writes what became of users before how many of their answers
// were useful: a challenge is useful, and no verification.
func summarizeAnswers(w io.Writer, t Tally) {
	a, of := t.Answers, func(n int) string { return fmt.Sprintf("%d (%s)", n, chart.Percent(percent(n, max(t.Sent, 1)))) }
	fmt.Fprintf(w, "  verified %s, let through %s, challenged %s, denied %s\n", of(a.Verified), of(a.Allowed), of(a.Challenged), of(a.Denied))
	fmt.Fprintf(w, "  rightly rejected %d, wrong %d, failed %d, hung up %d\n", a.Rejected, a.Wrong, a.Failed, a.HungUp)
	fmt.Fprintf(w, "  useful %s, p50 %.1f ms, p99 %.0f ms\n", chart.Percent(t.Useful), t.P50, t.P99)
}

// summarizeShadow tells what a gateway in shadow changed, and what it would have decided.
func summarizeShadow(w io.Writer, s *Shadow) {
	if s == nil {
		return
	}
	fmt.Fprintf(w, "  in shadow: as the API directly %d of %d compared, %.0f ms apart at the 99th percentile, %.0f ms at most\n", s.Same, s.Compared, s.ApartP99, s.ApartMax)
	fmt.Fprintf(w, "  with the gateway: allowed %d, challenged %d, denied %d\n", s.Allow, s.Challenge, s.Deny)
}

// summarizeFleet tells what each instance got, and when what was away.
func summarizeFleet(w io.Writer, t Target, length float64) {
	for i, m := range t.Members {
		fmt.Fprintf(w, "  instance %d: %d requests%s\n", i+1, m.Sent, stretches(m.Away(), length))
	}
	if away := t.RedisAway(); len(away) > 0 {
		fmt.Fprintf(w, "  Redis%s\n", strings.TrimPrefix(stretches(away, length), ","))
	}
}

func stretches(bands []Band, length float64) string {
	var b strings.Builder
	for _, one := range bands {
		fmt.Fprintf(&b, ", %s from %.1f s to ", one.State, one.From)
		if one.Until >= length {
			b.WriteString("the end")
		} else {
			fmt.Fprintf(&b, "%.1f s", one.Until)
		}
	}
	return b.String()
}

func mark(o Objective) string {
	switch {
	case o.Unjudged:
		return "not judged"
	case o.Met:
		return "met"
	}
	return "MISSED"
}
