package upstream_test

import (
	"fmt"

	"captchagate/captcha"
)

// The answers that the tables know.

// A codeRow is an answer with a CaptchaCode and what it comes to.
type codeRow struct {
	name    string
	mini    bool
	fields  string
	want    captcha.Outcome
	unknown float64 // counted as a code without a meaning
}

func (r codeRow) body() string {
	return `{"Response":{` + r.fields + `,"CaptchaMsg":"said","RequestId":"r-1"},"retcode":0,"retmsg":"ok"}`
}

func captchaCodes() []codeRow {
	const passed, malicious, rejected = captcha.Passed, captcha.Malicious, captcha.Rejected
	return []codeRow{
		{"ok", false, `"CaptchaCode":1,"EvilLevel":0`, passed, 0},
		{"ok, no level", false, `"CaptchaCode":1`, passed, 0},
		{"ok, null level", false, `"CaptchaCode":1,"EvilLevel":null`, passed, 0},
		{"ok but evil", false, `"CaptchaCode":1,"EvilLevel":100`, malicious, 0},
		{"ok but worse than documented", false, `"CaptchaCode":1,"EvilLevel":101`, malicious, 0},
		{"rejected and evil", false, `"CaptchaCode":8,"EvilLevel":100`, rejected, 0},
		{"randstr of another ticket", false, `"CaptchaCode":7`, rejected, 0},
		{"expired", false, `"CaptchaCode":8`, rejected, 0},
		{"reused", false, `"CaptchaCode":9`, rejected, 0},
		{"reused, old code", false, `"CaptchaCode":104`, rejected, 0},
		{"forged", false, `"CaptchaCode":15`, rejected, 0},
		{"other app", false, `"CaptchaCode":16`, rejected, 0},
		{"unsafe", false, `"CaptchaCode":21`, rejected, 0},
		{"no match", false, `"CaptchaCode":100`, rejected, 0},
		{"zero", false, `"CaptchaCode":0`, rejected, 1},
		{"negative", false, `"CaptchaCode":-1`, rejected, 1},
		{"historic", false, `"CaptchaCode":6`, rejected, 1},
		{"never heard of", false, `"CaptchaCode":4242`, rejected, 1},
		{"mini's arrears on web", false, `"CaptchaCode":31`, rejected, 1},
		{"mini's format error on web", false, `"CaptchaCode":10`, rejected, 1},
		{"mini ok", true, `"CaptchaCode":1`, passed, 0},
		{"mini reused", true, `"CaptchaCode":9`, rejected, 0},
		{"mini format error", true, `"CaptchaCode":10`, rejected, 0},
		{"mini invalid ticket", true, `"CaptchaCode":25`, rejected, 0},
		{"mini parameter error", true, `"CaptchaCode":100`, rejected, 0},
		{"mini never heard of", true, `"CaptchaCode":4242`, rejected, 1},
	}
}

// An errorRow is an error code of the Cloud API and the failure it comes to.
type errorRow struct {
	code string
	want want
}

func errorBody(code string) string {
	return fmt.Sprintf(`{"Response":{"Error":{"Code":%q,"Message":"m"},"RequestId":"9e1b3d6a-0000-4000-8000-000000000001"}}`, code)
}

func errorCodes() []errorRow {
	return []errorRow{
		{"InternalError", fault},
		{"InternalError.DbError", fault},
		{"ServiceUnavailable", fault},
		{"ResourceUnavailable", fault},
		{"ResourceInsufficient.Node", fault},
		{"FailedOperation", fault},
		{"SomethingNew.Tomorrow", fault},
		{"RequestLimitExceeded", throttled},
		{"RequestLimitExceeded.UinLimitExceeded", throttled},
		{"RequestLimitExceeded.IPLimitExceeded", throttled},
		{"RequestLimitExceeded.GlobalRegionUinLimitExceeded", throttled},
		{"LimitExceeded", quota},
		{"AuthFailure", misconfigured},
		{"AuthFailure.SecretIdNotFound", misconfigured},
		{"AuthFailure.SignatureFailure", misconfigured},
		{"AuthFailure.SignatureExpire", stale},
		{"AuthFailure.UnauthorizedOperation", misconfigured},
		{"UnauthorizedOperation", misconfigured},
		{"UnauthorizedOperation.Unauthorized", misconfigured},
		{"OperationDenied", misconfigured},
		{"IpNotInWhitelist", misconfigured},
		{"IpInBlacklist", misconfigured},
		{"UnsupportedRegion", misconfigured},
		{"UnsupportedOperation", misconfigured},
		{"UnsupportedProtocol", misconfigured},
		{"InvalidAction", misconfigured},
		{"InvalidRequest", misconfigured},
		{"NoSuchVersion", misconfigured},
		{"NoSuchProduct", misconfigured},
		{"ResourceNotFound", misconfigured},
		{"ActionOffline", misconfigured},
		{"DryRunOperation", misconfigured},
	}
}

// badCalls lists the error codes that refuse what the user sent.
func badCalls() []string {
	return []string{
		"InvalidParameter", "InvalidParameter.Ticket", "InvalidParameterValue", "InvalidParameterValue.TicketFormat",
		"InvalidParameterValueLimit", "InvalidParameterCombination", "MissingParameter", "UnknownParameter", "RequestSizeLimitExceeded",
	}
}
