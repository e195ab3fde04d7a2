package loadtest

import (
	"fmt"
	"io"
	"strings"
	"time"

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
		fmt.Fprintf(&b, "verified %d, rejected %d, degraded %d", a.Verified, a.Rejected, a.Allowed+a.Challenged+a.Denied)
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
		a := t.Total.Answers
		fmt.Fprintf(w, "\n%s: %d requests in %.0f s, %.0f/s; useful %.3f %%, p50 %.1f ms, p99 %.0f ms\n",
			t.Name, t.Total.Sent, r.Seconds, t.Kept.Sent, t.Total.Useful, t.Total.P50, t.Total.P99)
		fmt.Fprintf(w, "  verified %d, rejected %d, let through %d, challenged %d, denied %d, wrong %d, failed %d, hung up %d\n",
			a.Verified, a.Rejected, a.Allowed, a.Challenged, a.Denied, a.Wrong, a.Failed, a.HungUp)
		for _, o := range t.Objectives {
			fmt.Fprintf(w, "  %-10s  %-48s %s\n", mark(o), o.Text, o.Found)
		}
		fmt.Fprintf(w, "  sent late by %.2f ms at the 99th percentile, %.1f ms at most\n", t.Kept.LateP99, t.Kept.LateMax)
		if !t.Kept.OK {
			fmt.Fprintf(w, "  NOT KEPT: %s\n", t.Kept.Why)
		}
	}
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
