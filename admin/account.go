package admin

import "strings"

// States of an account: the API accepts it and knows all its apps, or refuses it.
const (
	accountOK      = "ok"
	accountRefused = "refused"
)

// whatToLookAt is the advice for an account that the API refuses, by the beginning of its
// Error.Code; the first that fits.
var whatToLookAt = []struct{ code, advice string }{
	{"AuthFailure.SecretIdNotFound", "no such secret_id: look at upstream.secret_id, and in the console whether the key was deleted or disabled"},
	{"AuthFailure.SignatureFailure", "the signature is wrong: upstream.secret_key does not belong to secret_id"},
	{"AuthFailure.SignatureExpire", "our time is more than five minutes from the API's: set this machine's clock"},
	{"AuthFailure.InvalidSecretId", "secret_id is no key of the Cloud API: look at upstream.secret_id"},
	{"AuthFailure.TokenFailure", "the temporary keys are over: renew upstream.session_token with secret_id and secret_key"},
	{"AuthFailure.UnauthorizedOperation", "the key may not call this: look at its permissions (CAM), at arrears and at whether the captcha is activated"},
	{"AuthFailure", "look at upstream.secret_id, secret_key and session_token"},
	{"UnauthorizedOperation", "look at arrears in the console, at whether the captcha is activated, and at the key's permissions (CAM)"},
	{"IpNotInWhitelist", "look at the key's list of allowed addresses, and at the address that this machine goes out by"},
	{"IpInBlacklist", "look at the key's list of forbidden addresses, and at the address that this machine goes out by"},
	{"ResourceNotFound", "look in the console whether the captcha app is still there"},
	{"UnsupportedRegion", "look at upstream.region"},
	{"31", "look whether the mini program has a package, and at arrears"}, // a CaptchaCode
	{"", "look at upstream.secret_id and secret_key, at their permissions and at arrears"},
}

func accountText(a Account) string {
	switch {
	case a.State == AccountSuspect:
		return "SUSPECT since " + clock(a.Since) + ": the API answers and accepts no ticket (code " + a.Code + "); compare captcha_app_id and app_secret_key with the console"
	case a.Code != "":
		return strings.ToUpper(a.State) + " since " + clock(a.Since) + ": " + a.Code + ": nobody is verified, and nobody let through unverified, until the API accepts it; a solved challenge counts; " + advice(a.Code)
	}
	return a.State
}

func advice(code string) string {
	for _, one := range whatToLookAt {
		if strings.HasPrefix(code, one.code) {
			return one.advice
		}
	}
	return ""
}
