package admin

import (
	"fmt"
	"io"
	"strings"
	"time"

	"captchagate/control"
)

// WriteStatus writes a status for people.
func WriteStatus(w io.Writer, s Status) error {
	var out strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&out, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("mode", "%s%s", s.Mode, forcedText(s.Override))
	for _, d := range s.Drills {
		line("drill", "%s, %g %% of its users, by %s since %s%s: %s", d.Scene, 100*d.Share, d.Actor, clock(d.Since), end(d.Until), d.Reason)
	}
	account := s.Account.State
	if s.Account.Code != "" {
		account += " since " + clock(s.Account.Since) + ": " + s.Account.Code + "; nobody is verified or let through until it is accepted"
	}
	line("account", "%s", account)
	writeBreaker(line, s.Breaker)
	latency := "no answers yet"
	if s.Upstream.P99MS > 0 {
		latency = fmt.Sprintf("p50 %.3g ms, p99 %.3g ms", s.Upstream.P50MS, s.Upstream.P99MS)
	}
	line("upstream", "%d in flight, %s", s.Upstream.InFlight, latency)
	for _, a := range s.Upstream.Addresses {
		failed := ""
		if a.FailedAt != nil {
			failed = ", failed at " + clock(*a.FailedAt)
		}
		line("", "%s: %d connections%s", a.Address, a.Connections, failed)
	}
	health := "healthy"
	if !s.Store.Healthy {
		health = "NOT healthy"
	}
	line("store", "%s, %s", s.Store.Kind, health)
	_, err := io.WriteString(w, out.String())
	return err
}

func writeBreaker(line func(name, format string, args ...any), b Breaker) {
	evidence := ""
	if b.Evidence != "" {
		evidence = ": " + b.Evidence
	}
	line("breaker", "%s since %s%s", b.State, clock(b.Since), evidence)
	line("", "%d requests, %d failures, %d slow, %d failures in a row", b.Requests, b.Failures, b.Slow, b.ConsecutiveFailures)
	if b.NextProbeAt != nil {
		line("", "next probe at %s", clock(*b.NextProbeAt))
	}
	for _, t := range b.Transitions {
		line("", "%s %s -> %s: %s", clock(t.At), t.From, t.To, t.Evidence)
	}
}

func forcedText(o *control.Override) string {
	if o == nil {
		return " (auto: the breaker decides)"
	}
	return fmt.Sprintf(" (forced %s by %s since %s%s: %s)", o.Mode, o.Actor, clock(o.Since), end(o.Until), o.Reason)
}

func end(until *time.Time) string {
	if until == nil {
		return " until changed"
	}
	return " until " + clock(*until)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
