package policy_test

import (
	"testing"

	"captchagate/captcha"
	"captchagate/policy"
)

// refuses is a verdict that is no pass.
func refuses(code, evil int64) captcha.Verdict {
	v := captcha.Verdict{Outcome: captcha.Rejected, Answer: &captcha.Answer{Code: code, EvilLevel: evil}, Attempts: 1}
	if evil == 100 {
		v.Outcome = captcha.Malicious
	}
	return v
}

// A7: a ticket that the API refused lets nobody in, whatever happens to the API
// afterwards, and is not asked about again.
func TestPolicy_ARefusedTicketStaysRefused(t *testing.T) {
	for name, row := range map[string]struct {
		verdict captcha.Verdict
		want    string
	}{
		"malicious":    {refuses(captcha.CodeOK, 100), "deny malicious normal"},
		"used":         {refuses(captcha.CodeReused, 0), "deny rejected normal"},
		"expired":      {refuses(captcha.CodeExpired, 0), "deny rejected normal"},
		"forged":       {refuses(captcha.CodeForged, 0), "deny rejected normal"},
		"randstr":      {refuses(7, 0), "deny rejected normal"},
		"no match":     {refuses(captcha.CodeNoMatch, 0), "deny rejected normal"},
		"unknown code": {refuses(4711, 0), "deny rejected normal"},
		"bad call":     {captcha.Verdict{Outcome: captcha.Rejected, Attempts: 1}, "deny rejected normal"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(policy.Scene{Degraded: policy.Allow})
			p := w.policy()
			w.verdict = row.verdict
			if got := words(p.Decide(t.Context(), ticket(1))); got != row.want {
				t.Fatalf("the API's own answer is %q", got)
			}
			for _, later := range []func(){
				func() { w.verdict = captcha.Verdict{Outcome: captcha.Passed, Attempts: 1} },
				func() { w.fails = captcha.Fault },
				func() { w.fails = captcha.CircuitOpen },
				func() { w.fails = captcha.OutcomeUnknown },
				func() { w.force = policy.ForceDegraded },
				func() { w.force = policy.ForceNormal },
			} {
				later()
				asked := w.asked
				d := p.Decide(t.Context(), ticket(1))
				if words(d) != row.want || d.Attempts != 0 || w.asked != asked {
					t.Errorf("later it is %q after %d attempts", words(d), d.Attempts)
				}
			}
			w.force = policy.ForceNone
			if d := p.Decide(t.Context(), ticket(2)); d.Action != policy.Allow {
				t.Errorf("another ticket is %q", words(d)) // else the rows above say nothing
			}
		})
	}
}

// What a ticket was presented with may be wrong and it may be good with something
// else; what it is itself stays.
func TestPolicy_ARefusalIsAboutWhatTheAPIRefused(t *testing.T) {
	changes := map[string]func(r *policy.Request){
		"randstr": func(r *policy.Request) { r.Ticket.Randstr = "@other" },
		"app":     func(r *policy.Request) { r.Ticket.AppID = ourApp + 1 },
		"action":  func(r *policy.Request) { r.Ticket.Mini = true },
	}
	for what, change := range changes {
		for code, asksAgain := range map[int64]bool{7: true, captcha.CodeOtherApp: true, captcha.CodeNoMatch: true, captcha.CodeReused: false, captcha.CodeExpired: false, captcha.CodeForged: false} {
			w := newWorld(policy.Scene{Degraded: policy.Allow})
			p := w.policy()
			w.verdict = refuses(code, 0)
			p.Decide(t.Context(), ticket(1))
			w.verdict = captcha.Verdict{Outcome: captcha.Passed, Attempts: 1}
			r := ticket(1)
			change(&r)
			if d := p.Decide(t.Context(), r); (d.Reason == policy.ReasonVerified) != asksAgain {
				t.Errorf("code %d, then another %s: %q", code, what, words(d))
			}
		}
	}
}

// What was refused under a wrong AppSecretKey is asked again once it is right; a
// used ticket stays used.
func TestPolicy_AnotherAppKeyIsAnotherQuestion(t *testing.T) {
	for code, asksAgain := range map[int64]bool{captcha.CodeNoMatch: true, captcha.CodeReused: false} {
		w := newWorld(policy.Scene{Degraded: policy.Allow})
		p := w.policy()
		w.verdict = refuses(code, 0)
		p.Decide(t.Context(), ticket(1))
		w.cfg.Apps = map[uint64][8]byte{ourApp: {2}}
		p.Reconfigure(w.cfg)
		w.verdict = captcha.Verdict{Outcome: captcha.Passed, Attempts: 1}
		if d := p.Decide(t.Context(), ticket(1)); (d.Reason == policy.ReasonVerified) != asksAgain {
			t.Errorf("code %d, then another key: %q", code, words(d))
		}
	}
}

// A7: while the memory of refusals is too small for what comes, nobody is let
// through with a ticket that may be one of those; a disaster ticket is none.
func TestPolicy_AForgetfulMemoryLetsNobodyThrough(t *testing.T) {
	w := newWorld(policy.Scene{Degraded: policy.Allow})
	p := w.policy()
	w.fails, w.refusals.forgetful = captcha.CircuitOpen, true
	if got := words(p.Decide(t.Context(), ticket(1))); got != "challenge challenge_required degraded circuit_open" {
		t.Errorf("forgetful: %q", got)
	}
	if w.issued.Cause != captcha.CauseCircuitOpen {
		t.Errorf("a challenge was issued for %q", w.issued.Cause)
	}
	w.refusals.forgetful = false
	if got := words(p.Decide(t.Context(), ticket(1))); got != "allow degraded_allow degraded circuit_open" {
		t.Errorf("once it remembers all: %q", got)
	}
}

// A6: whoever hangs up makes the fate of a ticket unknown, and gets at most the
// challenge for it.
func TestPolicy_HangingUpBuysNoPass(t *testing.T) {
	for action, want := range map[policy.Action]map[bool]string{
		policy.Allow:     {true: "challenge outcome_unknown degraded upstream_fault", false: "allow outcome_unknown degraded upstream_fault"},
		policy.Challenge: {true: "challenge outcome_unknown degraded upstream_fault", false: "challenge outcome_unknown degraded upstream_fault"},
		policy.Deny:      {true: "deny outcome_unknown degraded upstream_fault", false: "deny outcome_unknown degraded upstream_fault"},
	} {
		for left, want := range want {
			w := newWorld(policy.Scene{Degraded: action})
			w.fails, w.left = captcha.OutcomeUnknown, left
			if got := words(w.policy().Decide(t.Context(), ticket(1))); got != want {
				t.Errorf("%v, only the caller left %v: %q, want %q", action, left, got, want)
			}
		}
	}
}
