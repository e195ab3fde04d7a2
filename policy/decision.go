package policy

import "captchagate/captcha"

// A Reason is why a decision is what it is.
type Reason string

// The reasons, as in the answer of POST /v1/verify.
const (
	ReasonVerified          Reason = "verified"
	ReasonRejected          Reason = "rejected"
	ReasonMalicious         Reason = "malicious"
	ReasonChallengeSolved   Reason = "challenge_solved"
	ReasonChallengeFailed   Reason = "challenge_failed"
	ReasonChallengeRequired Reason = "challenge_required"
	ReasonDegradedAllow     Reason = "degraded_allow"
	ReasonDegradedDeny      Reason = "degraded_deny"
	ReasonOutcomeUnknown    Reason = "outcome_unknown"
)

// A Cause is why the Captcha API did not decide.
type Cause string

// The causes, in the order in which the first that applies is named.
const (
	NoCause        Cause = ""
	BudgetSpent    Cause = "budget_spent"
	DisasterTicket Cause = "disaster_ticket"
	Forced         Cause = "forced"
	Misconfigured  Cause = "misconfigured"
	CircuitOpen    Cause = "circuit_open"
	Recovering     Cause = "recovering"
	Throttled      Cause = "throttled"
	Overloaded     Cause = "overloaded"
	UpstreamFault  Cause = "upstream_fault"
)

// Causes lists every cause but BudgetSpent, which stands over another.
func Causes() []Cause {
	return []Cause{DisasterTicket, Forced, Misconfigured, CircuitOpen, Recovering, Throttled, Overloaded, UpstreamFault}
}

// causeOf is the one table from a failure's kind to the cause that is told.
func causeOf(k captcha.Kind) Cause {
	switch k {
	case captcha.Misconfigured:
		return Misconfigured
	case captcha.CircuitOpen:
		return CircuitOpen
	case captcha.Recovering:
		return Recovering
	case captcha.Throttled:
		return Throttled
	case captcha.Overloaded:
		return Overloaded
	case captcha.Fault, captcha.OutcomeUnknown, captcha.Cancelled:
		return UpstreamFault
	}
	return UpstreamFault
}

// An Assurance is how sure an allowance is.
type Assurance string

// The assurances.
const (
	AssuranceFull    Assurance = "full"    // the Captcha API verified it
	AssuranceReduced Assurance = "reduced" // an alternate challenge was solved
	AssuranceNone    Assurance = "none"
)

// A Mode is who decided an answer.
type Mode string

// The modes.
const (
	ModeNormal   Mode = "normal"   // the Captcha API, or nobody may stand in for it
	ModeDegraded Mode = "degraded" // the scene's rule
)

// A Decision is the answer about one user.
type Decision struct {
	Action     Action          `json:"decision"`
	Reason     Reason          `json:"reason"`
	Assurance  Assurance       `json:"assurance"`
	Mode       Mode            `json:"mode"`
	Cause      Cause           `json:"cause,omitempty"`
	DegradedBy Cause           `json:"degraded_by,omitempty"` // the cause that budget_spent stands over
	Answer     *captcha.Answer `json:"captcha,omitempty"`     // last parsed answer of the API
	Attempts   int             `json:"attempts"`              // calls made to the API for this request
	ID         string          `json:"decision_id"`           // UUIDv7
	Challenge  any             `json:"challenge,omitempty"`   // where Action is Challenge
}
