package public

import (
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"captchagate/captcha"
	"captchagate/policy"
)

// siteAnswer is the answer of POST /siteverify: first the convention's members, then
// ours. A refusal has none of ours.
type siteAnswer struct {
	Success    bool             `json:"success"`
	At         string           `json:"challenge_ts,omitempty"` // when it was decided
	Hostname   string           `json:"hostname"`               // always "": nobody tells us
	ErrorCodes []string         `json:"error-codes,omitzero"`
	Messages   []string         `json:"messages,omitempty"` // what is wrong in a refused request
	Decision   string           `json:"decision,omitempty"`
	Reason     policy.Reason    `json:"reason,omitempty"`
	Assurance  policy.Assurance `json:"assurance,omitempty"`
	Mode       policy.Mode      `json:"mode,omitempty"`
	ID         string           `json:"decision_id,omitempty"`
	Challenge  any              `json:"challenge,omitempty"`
}

// recaptchaPath is the path of reCAPTCHA's own API. It leaves out error-codes that are
// none, as hCaptcha does, where Turnstile has an empty list. There are libraries that
// need it this way (ezzarghili/recaptcha-go takes any list for an error), and ones that
// need it the other.
const recaptchaPath = "/recaptcha/api/siteverify"

func writeSite(c *gin.Context, a siteAnswer) {
	if len(a.ErrorCodes) == 0 && c.FullPath() == recaptchaPath {
		a.ErrorCodes = nil
	}
	body, err := json.Marshal(a)
	if err != nil {
		panic(err) // all fields are our own
	}
	c.Writer.Header()["Content-Type"] = jsonType
	c.Status(http.StatusOK)
	_, _ = c.Writer.Write(append(body, '\n')) // whoever went away needs no answer
}

// errorCodes says in the convention's words why a user is denied. A challenge is no
// error: it is to be shown.
func errorCodes(d policy.Decision, presented bool) []string {
	switch {
	case d.Action != policy.Deny:
		return []string{}
	case !presented:
		return []string{"missing-input-response"}
	case d.Reason == policy.ReasonDegradedDeny || d.Reason == policy.ReasonOutcomeUnknown:
		return []string{"internal-error"}
	case d.Reason == policy.ReasonRejected && usedOrOld(d):
		return []string{"timeout-or-duplicate"}
	}
	return []string{"invalid-input-response"}
}

// usedOrOld reports whether a ticket is rejected for being used or too old: by the
// API's code, or because it let somebody in before, which the API passes all the same
// or, while it is away, knows nothing of.
func usedOrOld(d policy.Decision) bool {
	if d.Answer == nil {
		return d.Mode == policy.ModeDegraded
	}
	return captcha.Reused(d.Answer.Code) || d.Answer.Code == captcha.CodeExpired || d.Answer.Code == captcha.CodeOK
}
