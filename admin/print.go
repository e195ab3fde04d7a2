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
	line := lineWriter(&out)
	writeSwitch(line, s)
	line("account", "%s", accountText(s.Account))
	line("script", "%s", scriptText(s.Script))
	writeBreaker(line, s.Breaker)
	latency := "no answers yet"
	if s.Upstream.P99MS > 0 {
		latency = fmt.Sprintf("p50 %.3g ms, p99 %.3g ms", s.Upstream.P50MS, s.Upstream.P99MS)
	}
	line("upstream", "%d in flight, %s", s.Upstream.InFlight, latency)
	writeThrottled(line, "", s.Upstream)
	for _, a := range s.Upstream.Addresses {
		failed := ""
		if a.FailedAt != nil {
			failed = ", failed at " + clock(*a.FailedAt)
		}
		line("", "%s: %d connections%s", a.Address, a.Connections, failed)
	}
	writeBudgets(line, s.Budgets)
	line("store", "%s, %s", s.Store.Kind, storeText(s.Store))
	writeFleet(line, s)
	_, err := io.WriteString(w, out.String())
	return err
}

// writeThrottled says whom the API's limit keeps from a verdict, if anybody.
func writeThrottled(line func(name, format string, args ...any), name string, u Upstream) {
	if t := u.Throttled; t != nil {
		line(name, "THROTTLED since %s: %d of %d users in the last minute were not verified; raise the account's quota or lower the load", clock(t.Since), t.Unverified, t.Users)
	}
}

func writeFleet(line func(name, format string, args ...any), s Status) {
	if s.Fleet == nil {
		return
	}
	redis := "Redis answers"
	if s.Fleet.Redis != "up" {
		redis = "Redis is AWAY: this instance goes on by itself; what follows was heard last"
	}
	line("fleet", "%s, %d alive, %d ill; %s", s.Fleet.State, s.Fleet.Alive, s.Fleet.Ill, redis)
	for _, trouble := range s.Fleet.Trouble {
		line("", "TROUBLE: %s", trouble)
	}
	for _, r := range s.Replicas {
		state := r.State
		if !r.This && !r.unheard(s) && r.lost() {
			state = "SILENT, gone or cut off (it was " + r.State + ")"
		}
		line("", "%s: %s, version %s, heard %.1f s ago, clock %+d ms", namedHere(r), state, r.Version, float64(r.AgeMS)/1000, r.ClockLagMS)
	}
}

// namedHere is nameOf, and says of the one that answers that it is.
func namedHere(r Replica) string {
	if r.This {
		return nameOf(r) + " (this one)"
	}
	return nameOf(r)
}

// nameOf is what an instance is called: its host and listener, or its id.
func nameOf(r Replica) string {
	if r.Host == "" {
		return r.ID
	}
	return strings.TrimSpace(r.Host + " " + r.Listen)
}

// lineWriter writes lines of a name and a text.
func lineWriter(out *strings.Builder) func(name, format string, args ...any) {
	return func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
}

func scriptText(s Script) string {
	since := ""
	if s.Since != nil {
		since = " since " + clock(*s.Since)
	}
	switch {
	case s.State == ScriptOff:
		return "not looked at (script_probe.url is empty): nothing corroborates disaster tickets"
	case s.State == ScriptDown:
		return "DOWN" + since + ": " + s.Problem + "; disaster tickets are corroborated"
	case s.State == ScriptNever && s.Since == nil:
		return "not fetched yet"
	case s.State == ScriptNever:
		return "could NEVER be fetched from here" + since + ": " + s.Problem + "; nothing corroborates disaster tickets; look at script_probe.url and at the way out of this machine"
	case s.Problem != "":
		return "up" + since + "; the last probe failed: " + s.Problem
	}
	return "up" + since
}

// writeBudgets says how long scenes let through yet.
func writeBudgets(line func(name, format string, args ...any), budgets []Budget) {
	what := map[string][2]string{
		BudgetOfPasses:    {"lets through", "lets nobody through any more"},
		BudgetOfSolutions: {"takes solved challenges", "takes no solved challenge any more"},
	}
	name := "budget"
	for _, b := range budgets {
		if b.Over {
			line(name, "%s %s: its %s (%s) are SPENT since %s; now %s", b.Scene, what[b.Kind][1], b.For, b.Cause, clock(b.Ends), b.Then)
		} else {
			line(name, "%s %s until %s: its %s (%s) run%s", b.Scene, what[b.Kind][0], clock(b.Ends), b.For, b.Cause, leftText(b))
		}
		name = ""
	}
}

func leftText(b Budget) string {
	if b.Left == nil {
		return ""
	}
	return fmt.Sprintf("; %d of %s in all left now", *b.Left, b.Total)
}

func storeText(s Store) string {
	switch {
	case s.Trouble != nil:
		return fmt.Sprintf("KEEPS USERS OUT since %s, %d so far: %s; who cannot be kept is not let through, and the budgets are not the reason", clock(s.Trouble.Since), s.Trouble.Users, s.Trouble.Error)
	case !s.Healthy:
		return "NOT healthy: it takes no writes, and nobody is let through; look at its disk"
	}
	return "healthy"
}

func writeBreaker(line func(name, format string, args ...any), b Breaker) {
	evidence := ""
	if b.Evidence != "" {
		evidence = ": " + b.Evidence
	}
	line("breaker", "%s since %s%s", b.State, clock(b.Since), evidence)
	line("", "%d requests, %d failures, %d slow, %d failures in a row", b.Requests, b.Failures, b.Slow, b.ConsecutiveFailures)
	if b.Disbelieved > 0 {
		line("", "SHORT OF CPU: %s", disbelievedText(b.Disbelieved))
	}
	if b.NextProbeAt != nil {
		line("", "next probe at %s", clock(*b.NextProbeAt))
	}
	for _, t := range b.Transitions {
		line("", "%s %s -> %s: %s", clock(t.At), t.From, t.To, t.Evidence)
	}
}

func forcedText(s Status) string {
	o := s.Override
	switch {
	case o == nil && s.Breaker.State == "recovering":
		return " (auto: the breaker decides; users return little by little)"
	case o == nil:
		return " (auto: the breaker decides)"
	}
	effect := ""
	if o.Mode == control.Normal {
		effect = "; whom nobody can verify is denied in every scene"
	}
	return fmt.Sprintf(" (forced %s by %s since %s%s: %s%s)", o.Mode, o.Actor, clock(o.Since), end(o.Until), o.Reason, effect)
}

func end(until *time.Time) string {
	if until == nil {
		return " until changed"
	}
	return " until " + clock(*until)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
