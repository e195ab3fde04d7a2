package policy_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/policy"
)

// away is a Captcha API behind an open circuit, and a world in which nothing
// is forced, nothing is remembered and any solution is right.
type away struct{}

func (away) Verify(context.Context, captcha.Ticket) (captcha.Verdict, error) {
	return captcha.Verdict{}, &captcha.Failure{Kind: captcha.CircuitOpen}
}
func (away) Forced(string, captcha.Ticket) policy.Force { return policy.ForceNone }
func (away) Degraded(string) (bool, time.Time)          { return true, time.Now() }
func (away) ScriptDown() bool                           { return false }
func (away) Issue(policy.Binding, int) any              { return "challenge" }
func (away) Claim(captcha.Key) bool                     { return true }
func (away) Release(captcha.Key)                        {}
func (away) Keep(context.Context, policy.Pass) error    { return nil }
func (away) Refuted(netip.Addr, string) bool            { return false }
func (away) LetThrough(captcha.Key) bool                { return false }
func (away) Seen(captcha.Key) bool                      { return false }
func (away) Check(context.Context, string, policy.Binding) policy.Solution {
	return policy.Solution{Valid: true, Cause: captcha.CauseCircuitOpen, ForUser: true}
}

// A scene may be taken out of the configuration between the reading of a
// request and its decision: it is decided all the same, and lets nobody in.
func TestPolicy_DecidesAboutASceneThatWasJustTakenOut(t *testing.T) {
	p := policy.New(away{}, away{}, away{}, away{}, away{}, policy.Config{
		Scenes: map[string]policy.Scene{"login": {Degraded: policy.Challenge}}, Apps: []uint64{190000001},
	}, prometheus.NewRegistry())
	solution := "solution"
	for name, r := range map[string]policy.Request{
		"ticket":          {Ticket: captcha.Ticket{Value: "tr03", Randstr: "@abc"}},
		"disaster ticket": {Ticket: captcha.Ticket{Value: "trerror_1001_190000001_1767323045"}},
		"solution":        {Solution: &solution},
	} {
		r.Ticket.UserIP, r.Scene = netip.MustParseAddr("192.0.2.1"), "login"
		if d := p.Decide(t.Context(), r); d.Action == policy.Deny {
			t.Errorf("%s, while the scene is there: %+v", name, d) // else the rest says nothing
		}
		r.Scene = "gone"
		if d := p.Decide(t.Context(), r); d.Action != policy.Deny || d.ID == "" {
			t.Errorf("%s, the scene is gone: %+v", name, d)
		}
	}
}
