package policy_test

import (
	"net/netip"
	"testing"

	"captchagate/captcha"
	"captchagate/policy"
)

// A scene may be taken out of the configuration between the reading of a
// request and its decision: it is decided all the same, and lets nobody in.
func TestPolicy_DecidesAboutASceneThatWasJustTakenOut(t *testing.T) {
	w := newWorld(policy.Scene{Degraded: policy.Challenge})
	w.fails, w.solution, w.degraded = captcha.CircuitOpen, policy.Solution{Valid: true, Cause: captcha.CauseCircuitOpen, Asked: true}, true
	p := w.policy()
	solution := "solution"
	for name, r := range map[string]policy.Request{
		"ticket":          {Ticket: captcha.Ticket{Value: "tr03", Randstr: "@abc"}},
		"disaster ticket": {Ticket: captcha.Ticket{Value: "trerror_1001_190000001_1767323045"}},
		"solution":        {Solution: &solution},
	} {
		r.Ticket.UserIP, r.Scene = netip.MustParseAddr("192.0.2.1"), "scene"
		if d := p.Decide(t.Context(), r); d.Action == policy.Deny {
			t.Errorf("%s, while the scene is there: %+v", name, d) // else the rest says nothing
		}
		r.Scene = "gone"
		if d := p.Decide(t.Context(), r); d.Action != policy.Deny || d.ID == "" {
			t.Errorf("%s, the scene is gone: %+v", name, d)
		}
	}
}
