package reverify

import (
	"time"
)

// A Result is what asking again found.
type Result string

// The results.
const (
	Confirmed    Result = "confirmed"    // the ticket was good
	Refuted      Result = "refuted"      // it was not
	Unverifiable Result = "unverifiable" // nobody can tell any more
)

// A Report says what became of one decision.
type Report struct {
	DecisionID   string    `json:"decision_id"`
	Result       Result    `json:"result"`
	Scene        string    `json:"scene"`
	Reference    string    `json:"reference"`
	CaptchaCode  *int64    `json:"captcha_code"` // null if the API gave none
	DecidedAt    time.Time `json:"decided_at"`
	ReverifiedAt time.Time `json:"reverified_at"` // when it was asked about, or given up
}

// Reports are those of one incident, as the webhook gets them.
type Reports struct {
	IncidentID *string  `json:"incident_id"` // null outside incidents
	Reports    []Report `json:"reports"`
}

// A finding is what was learned about an entry, and when.
type finding struct {
	Result Result    `json:"result"`
	Code   *int64    `json:"code,omitempty"`
	At     time.Time `json:"at"`
}
