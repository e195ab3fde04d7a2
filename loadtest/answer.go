package loadtest

import (
	"encoding/json"
	"net/http"
	"slices"

	"captchagate/captcha"
	"captchagate/loadtest/scenario"
)

// An answer is what a gateway said about a user: the contract's fields that
// say what it means. A gateway that knows no assurance and allows is taken to
// say that the API verified it.
type answer struct {
	Decision  string          `json:"decision"`
	Reason    string          `json:"reason"`
	Assurance *string         `json:"assurance"`
	Mode      string          `json:"mode"`
	Cause     string          `json:"cause"`
	Attempts  int             `json:"attempts"`
	Challenge json.RawMessage `json:"challenge"`
}

// outcome is what became of a request.
type outcome int

// The outcomes, in the order of Answers.
const (
	failed outcome = iota
	verified
	rejected
	allowed
	challenged
	denied
	wrong
	hungUp
)

// readAnswer returns nil if there is no decision.
func readAnswer(status int, body []byte) *answer {
	var a answer
	if status != http.StatusOK || json.Unmarshal(body, &a) != nil || a.Decision == "" {
		return nil
	}
	return &a
}

// full reports whether the answer claims that the API let the user pass.
func (a *answer) full() bool {
	if a.Decision != "allow" {
		return false
	}
	if a.Assurance != nil {
		return *a.Assurance == "full"
	}
	return a.Mode != "degraded" && a.Cause == ""
}

// refuses reports whether the answer claims that the ticket is bad: the API
// found it so, or the gateway knows without asking that it was used before.
func (a *answer) refuses() bool {
	return a.Decision == "deny" && a.Reason != "degraded_deny" && a.Reason != "outcome_unknown"
}

// degraded says which degraded answer of the contract this is; failed if it
// is none.
func (a *answer) degraded() outcome {
	forcedNormal := a.Mode == "normal" && a.Reason == "degraded_deny"
	if !forcedNormal && (a.Mode != "degraded" || !slices.Contains(captcha.Causes(), captcha.Cause(a.Cause))) {
		return failed
	}
	f, reason := failed, ""
	switch a.Decision {
	case "allow":
		f, reason = allowed, "degraded_allow"
	case "challenge":
		f, reason = challenged, "challenge_required"
	case "deny":
		f, reason = denied, "degraded_deny"
	}
	if a.Reason != reason && a.Reason != "outcome_unknown" || f == challenged && len(a.Challenge) <= len("{}") {
		return failed
	}
	return f
}

// good reports whether the API lets pass a ticket of this kind of user.
func good(user string) bool {
	switch user {
	case scenario.Valid, scenario.Slow, scenario.HangUp, scenario.Retry, scenario.RetryBare:
		return true
	}
	return false
}

// judge says what an answer is worth to a user. spent means that an earlier try
// of the same caller may have used the ticket up without the caller's learning
// of it: then a rejection is right.
func judge(user string, spent bool, a *answer) outcome {
	switch {
	case a == nil:
		return failed
	case a.full() && good(user):
		return verified
	case a.full():
		return wrong
	case a.refuses() && good(user) && !spent:
		return wrong
	case a.refuses():
		return rejected
	}
	return a.degraded()
}

// of is the place of an outcome.
func (a *Answers) of(f outcome) *int {
	return [...]*int{
		failed: &a.Failed, verified: &a.Verified, rejected: &a.Rejected, allowed: &a.Allowed,
		challenged: &a.Challenged, denied: &a.Denied, wrong: &a.Wrong, hungUp: &a.HungUp,
	}[f]
}
