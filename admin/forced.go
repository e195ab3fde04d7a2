package admin

import (
	"fmt"
	"time"

	"captchagate/control"
)

// glosses are what the switch's modes mean, in all places where they are named.
var glosses = map[string]string{
	control.Degraded.String(): "as if the API were down",
	control.Normal.String():   "API only; else denied",
	control.Auto.String():     "the gateway decides",
}

// glossed is a mode with what it means.
func glossed(m control.Mode) string { return m.String() + " (" + glosses[m.String()] + ")" }

// inForce says where the switch stands, in the words of its form.
func inForce(s Status, now time.Time) string {
	o := s.Override
	switch {
	case o == nil:
		return glossed(control.Auto)
	case o.Until == nil:
		return glossed(o.Mode) + ", by " + o.Actor + ", until changed"
	}
	return glossed(o.Mode) + ", by " + o.Actor + ", until " + atClock(*o.Until, now)
}

// modeText says which mode the gateway is in, by whom, and what that means for users.
func modeText(s Status) string {
	switch {
	case s.Override != nil:
		return "forced " + glossed(s.Override.Mode) + ", by " + s.Override.Actor
	case s.Breaker.State == stateRecovering:
		return "auto: degraded, for fewer and fewer users"
	case s.Mode == degraded:
		return "auto: the API is down, so degraded"
	}
	return "auto: the API answers, so all users are sent to it"
}

// forced is what is so whatever an operator forces.
func forced(o *control.Override, b Breaker) headline {
	h := headline{Look: lookOdd, Badge: "Forced " + o.Mode.String(), Whose: "operator " + o.Actor, Since: o.Since, Until: o.Until, Ends: "when an operator lifts it", Why: "“" + o.Reason + "”."}
	switch h.Then = "The gateway decides again: "; {
	case o.Until == nil:
		h.Then = ""
	case b.State != closed:
		h.Then += "degraded while the API is away."
	case o.Mode == control.Degraded:
		h.Then += "users are sent to the API again, step by step."
	default:
		h.Then += "all users are sent to the API."
	}
	return h
}

func forcedDegraded(s Status, now time.Time) (headline, bool) {
	o := s.Override
	if o == nil || o.Mode != control.Degraded {
		return headline{}, false
	}
	api := "The API itself works."
	if s.Breaker.State != closed {
		api = "The API itself is " + circuitWord(s.Breaker.State) + "."
	}
	h := forced(o, s.Breaker)
	h.Verified = "no"
	h.What = fmt.Sprintf("Operator %s switched verification off at %s: users are not verified. %s", o.Actor, atClock(o.Since, now), api)
	return h, true
}

func forcedNormal(s Status, now time.Time) (headline, bool) {
	o := s.Override
	if o == nil || o.Mode != control.Normal {
		return headline{}, false
	}
	h := forced(o, s.Breaker)
	h.Verified = "yes, by the Captcha API"
	h.What = fmt.Sprintf("The Captcha API verifies users. Operator %s forces %s since %s: if it fails, users are denied.", o.Actor, glossed(o.Mode), atClock(o.Since, now))
	if s.Breaker.State != closed {
		down := outageBegan(s.Breaker)
		h.Look, h.Verified, h.Whose, h.Probe = lookBad, "no: denied", "the Captcha API’s, and operator "+o.Actor+"’s", s.Breaker.NextProbeAt
		h.What = fmt.Sprintf("Captcha API down since %s, and operator %s forces %s since %s: users who cannot be verified are denied.", atClock(down, now), o.Actor, glossed(o.Mode), atClock(o.Since, now))
		h.Since, h.Counts = down, o.Since
	}
	return h, true
}
