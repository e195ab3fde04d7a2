package policy

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"captchagate/captcha"
)

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
	Cause      captcha.Cause   `json:"cause,omitempty"`
	DegradedBy captcha.Cause   `json:"degraded_by,omitempty"` // the cause that budget_spent stands over
	Answer     *captcha.Answer `json:"captcha,omitempty"`     // last parsed answer of the API
	Attempts   int             `json:"attempts"`              // calls made to the API for this request
	ID         string          `json:"decision_id"`           // UUIDv7
	Challenge  any             `json:"challenge,omitempty"`   // if Action is Challenge
	OwnCause   string          `json:"-"`                     // for operators, in place of Cause: trouble of our own that answers do not tell
	Why        string          `json:"-"`                     // for operators: what the other fields do not tell; nothing that a user sent
}

// At is when it was decided, to the millisecond and in UTC, as its ID says, which never
// goes back with the clock; zero without one.
func (d *Decision) At() time.Time {
	id, err := uuid.Parse(d.ID)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(id.Time().UnixTime()).UTC()
}

// AppendJSON appends the decision as JSON to b: byte for byte what encoding/json
// makes of it, without reflection, for the hot path. Its error is that of a
// Challenge that cannot become JSON.
func (d *Decision) AppendJSON(b []byte) ([]byte, error) {
	b = appendText(append(b, `{"decision":`...), d.Action.String())
	b = appendText(append(b, `,"reason":`...), string(d.Reason))
	b = appendText(append(b, `,"assurance":`...), string(d.Assurance))
	b = appendText(append(b, `,"mode":`...), string(d.Mode))
	if d.Cause != captcha.NoCause {
		b = appendText(append(b, `,"cause":`...), string(d.Cause))
	}
	if d.DegradedBy != captcha.NoCause {
		b = appendText(append(b, `,"degraded_by":`...), string(d.DegradedBy))
	}
	if d.Answer != nil {
		b = appendAnswer(append(b, `,"captcha":`...), d.Answer)
	}
	b = strconv.AppendInt(append(b, `,"attempts":`...), int64(d.Attempts), 10)
	b = appendText(append(b, `,"decision_id":`...), d.ID)
	if d.Challenge != nil {
		c, err := json.Marshal(d.Challenge)
		if err != nil {
			return b, err
		}
		b = append(append(b, `,"challenge":`...), c...)
	}
	return append(b, '}'), nil
}

func appendAnswer(b []byte, a *captcha.Answer) []byte {
	b = strconv.AppendInt(append(b, `{"code":`...), a.Code, 10)
	b = appendText(append(b, `,"message":`...), a.Message)
	b = strconv.AppendInt(append(b, `,"evil_level":`...), a.EvilLevel, 10)
	b = strconv.AppendInt(append(b, `,"score":`...), a.Score, 10)
	b = appendText(append(b, `,"request_id":`...), a.RequestID)
	return append(b, '}')
}

// appendText appends s as a JSON string. What needs no escaping, nearly all
// there is, goes in as it stands.
func appendText(b []byte, s string) []byte {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&'
	}) < 0
	if !plain {
		quoted, _ := json.Marshal(s) // a string always can
		return append(b, quoted...)
	}
	return append(append(append(b, '"'), s...), '"')
}
