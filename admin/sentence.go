package admin

import (
	"fmt"
	"io"
	"strings"
	"time"

	"captchagate/control"
)

// WriteSwitch writes where the switch stands, and the drills that go on; also that nobody
// can be verified for another reason than an outage, of which the mode says nothing.
func WriteSwitch(w io.Writer, s Status) error {
	var out strings.Builder
	line := lineWriter(&out)
	writeSwitch(line, s)
	if s.Account.State != accountOK {
		line("account", "%s", accountText(s.Account))
	}
	writeThrottled(line, "upstream", s.Upstream)
	_, err := io.WriteString(w, out.String())
	return err
}

func writeSwitch(line func(name, format string, args ...any), s Status) {
	line("mode", "%s%s", s.Mode, forcedText(s))
	for _, d := range s.Drills {
		line("drill", "%s, %g %% of its users, by %s since %s%s: %s", d.Scene, 100*d.Share, d.Actor, clock(d.Since), end(d.Until), d.Reason)
	}
}

// Sentence says what holds from now on and until when, after a change that made
// the gateway be as s says.
func Sentence(change control.Change, s Status) string {
	if s.Fleet != nil && s.Fleet.Redis != "up" {
		return sentence(change, s) + " Redis is away: only this instance knows so far, and the others will once it is back."
	}
	return sentence(change, s)
}

func sentence(change control.Change, s Status) string {
	switch {
	case change.Scene != "" && change.Mode == control.Auto:
		return fmt.Sprintf("The drill on %s is over%s", change.Scene, returning(s))
	case change.Scene != "":
		return drillSentence(change.Scene, s)
	case s.Override == nil:
		return "The breaker decides from now on" + returning(s) + drillsLeft(s)
	}
	o := s.Override
	what := "every scene does what it does in an outage"
	if o.Mode == control.Normal {
		what = "nobody is let through or challenged in place of the Captcha API: whom it cannot verify is denied in every scene, in an outage too"
	}
	return fromNow(o.Until) + what + endless(o.Until, "gateway mode auto")
}

func fromNow(until *time.Time) string {
	if until == nil {
		return "From now on "
	}
	return "Until " + clock(*until) + " "
}

// endless ends a sentence, and says of what has no end how it gets one.
func endless(until *time.Time, command string) string {
	if until != nil {
		return "."
	}
	return fmt.Sprintf(". It stands until changed: say --for to give it an end, or end it with %q.", command)
}

// drillsLeft says what the switch does not end.
func drillsLeft(s Status) string {
	var text strings.Builder
	for _, d := range s.Drills {
		fmt.Fprintf(&text, " A drill still runs: %s, %g %%,%s; end it with %q.", d.Scene, 100*d.Share, end(d.Until), "gateway mode auto --scene "+d.Scene)
	}
	return text.String()
}

func drillSentence(scene string, s Status) string {
	for _, d := range s.Drills {
		if d.Scene != scene {
			continue
		}
		return fmt.Sprintf("%s%g %% of the users of %s meet what it does in an outage%s", fromNow(d.Until), 100*d.Share, scene, endless(d.Until, "gateway mode auto --scene "+scene))
	}
	return "The drill on " + scene + " is over already."
}

// returning says why a gateway that was given back to the breaker may still be
// degraded.
func returning(s Status) string {
	switch {
	case s.Override != nil:
		return fmt.Sprintf("; %s stays forced on all.", s.Override.Mode)
	case s.Breaker.State == "recovering":
		return "; users return to the Captcha API little by little, and until all have the mode is degraded."
	case s.Mode == "degraded":
		return "; its circuit is " + strings.ReplaceAll(s.Breaker.State, "_", " ") + ", so the mode is degraded."
	}
	return "; the mode is " + s.Mode + "."
}
