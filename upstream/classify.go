package upstream

import (
	"errors"
	"fmt"
	"strconv"

	"captchagate/captcha"
)

// maliciousLevel is the EvilLevel from which a passing ticket is blocked all
// the same. It is the highest that is documented.
const maliciousLevel = 100

// classify turns a reply into a verdict, or into the failure where nobody
// could tell.
func (c *Client) classify(mini bool, r reply) (captcha.Verdict, *captcha.Failure) {
	switch {
	case r.answer != nil && r.resent && captcha.Reused(r.answer.Code):
		f := answered(captcha.OutcomeUnknown, r.answer, "says that the ticket was used, perhaps by a call that it never answered")
		f.FateUnknown = true
		return captcha.Verdict{}, f
	case r.answer != nil:
		return c.classifyAnswer(mini, r.answer)
	case r.code != "":
		return classifyCode(r)
	}
	return captcha.Verdict{}, c.classifyError(r)
}

// classifyError turns a call without an answer into a failure.
func (c *Client) classifyError(r reply) *captcha.Failure {
	f := &captcha.Failure{Kind: captcha.Fault, Err: r.err, FateUnknown: r.delivered, Kept: r.kept, Retryable: true}
	f.Unanswered = r.err != nil && !isAnswer(r.err)
	status, isStatus := errors.AsType[statusError](r.err)
	switch {
	case r.err == nil:
		f.Err = errSilent
	case r.cancelled:
		f.Kind, f.Retryable = captcha.Cancelled, false
	case isStatus && status.throttles():
		f.Kind, f.RetryAfter, f.FateUnknown = captcha.Throttled, status.retryAfter, false
	case r.trouble != "":
		c.CountLocalTrouble(r.trouble)
		f.Kind, f.Retryable = captcha.Overloaded, false
	default:
		f.Connecting = r.connecting
	}
	return f
}

func (c *Client) classifyAnswer(mini bool, a *captcha.Answer) (captcha.Verdict, *captcha.Failure) {
	if !knownCode(mini, a.Code) {
		c.metrics.unknownCodes.Inc()
	}
	switch {
	case a.Code == captcha.CodeBusy:
		f := answered(captcha.Fault, a, "is busy")
		f.FateUnknown, f.Retryable = true, true
		return captcha.Verdict{}, f
	case mini && a.Code == codeArrears:
		return captcha.Verdict{}, answered(captcha.Misconfigured, a, "has no package for this account, or it is in arrears")
	case a.Code == captcha.CodeOK && a.EvilLevel >= maliciousLevel:
		return captcha.Verdict{Outcome: captcha.Malicious, Answer: a}, nil
	case a.Code == captcha.CodeOK:
		return captcha.Verdict{Outcome: captcha.Passed, Answer: a}, nil
	}
	return captcha.Verdict{Outcome: captcha.Rejected, Answer: a}, nil
}

// answered is the failure of an answer that is about the API, not the ticket.
func answered(kind captcha.Kind, a *captcha.Answer, says string) *captcha.Failure {
	return &captcha.Failure{
		Kind:   kind,
		Code:   strconv.FormatInt(a.Code, 10),
		Err:    fmt.Errorf("the Captcha API %s (CaptchaCode %d)%s", says, a.Code, requestNote(a.RequestID)),
		Answer: a, RequestID: shownID(a.RequestID),
	}
}

// classifyCode turns an error code of the Cloud API into a failure, or into a
// rejection where it refuses what the user sent.
func classifyCode(r reply) (captcha.Verdict, *captcha.Failure) {
	code := shown(r.code)
	f := &captcha.Failure{Code: code, RequestID: shownID(r.requestID)}
	says := "failed"
	switch ruleOn(r.code) {
	case rulingBadCall:
		return captcha.Verdict{Outcome: captcha.Rejected}, nil
	case rulingThrottled:
		f.Kind, f.Retryable, says = captcha.Throttled, true, "throttles"
	case rulingQuota:
		f.Kind, says = captcha.Throttled, "says that a quota is used up"
	case rulingAccount:
		f.Kind, says = captcha.Misconfigured, "refuses the account or its set-up"
	case rulingStale:
		f.Kind, f.Retryable, says = captcha.Misconfigured, true, "finds the signature too old; check the clock"
	case rulingFault:
		f.Kind, f.FateUnknown, f.Retryable = captcha.Fault, true, true
	}
	if code == "" {
		code = "a code that is none"
	}
	f.Err = fmt.Errorf("the Captcha API %s: %s%s", says, code, requestNote(r.requestID))
	return captcha.Verdict{}, f
}

func requestNote(id string) string {
	if id = shownID(id); id == "" {
		return ""
	}
	return ", request " + id
}
