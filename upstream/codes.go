package upstream

import (
	"slices"
	"strings"

	"captchagate/captcha"
)

// codeArrears is a mini program's "no package, or arrears".
const codeArrears = 31

// knownCode reports whether a table of the documentation gives the CaptchaCode
// a meaning. Codes that it once gave and took back count as unknown: should
// one return, somebody should look.
func knownCode(mini bool, code int64) bool {
	switch code {
	case captcha.CodeOK, captcha.CodeBusy, captcha.CodeOtherApp, captcha.CodeNoMatch, 7, 8, 15, 21:
		return true
	case 10, 25, codeArrears:
		return mini
	default:
		return captcha.Reused(code)
	}
}

// A ruling says what an error code of the Cloud API means for a call.
type ruling int

const (
	rulingFault     ruling = iota // the API broke; fate unknown, retry
	rulingThrottled               // over a rate; not processed, retry
	rulingQuota                   // over a quota; not processed, a retry soon would not help
	rulingAccount                 // our account or set-up is refused
	rulingStale                   // our signature is too old; a fresh one may do
	rulingBadCall                 // refuses what the user sent
)

// ruleOn classifies an error code by what stands before its first dot.
//
// What the tables do not name is a fault, as InternalError is: an outage may
// bring codes that nobody has seen, and then good tickets must not be
// rejected, nor the alarm of a refused account be raised. If a user could
// bring one about, that is one ticket's fault, which opens no circuit.
// FailedOperation says that the API tried and failed, so it is one as well.
func ruleOn(code string) ruling {
	if strings.HasPrefix(code, "InvalidParameter") { // …Value, …ValueLimit, …Combination, …
		return rulingBadCall
	}
	switch prefix(code) {
	case "RequestLimitExceeded":
		return rulingThrottled
	case "LimitExceeded":
		return rulingQuota
	case "AuthFailure":
		if code == "AuthFailure.SignatureExpire" {
			return rulingStale
		}
		return rulingAccount
	case "UnauthorizedOperation", "OperationDenied", "IpNotInWhitelist", "IpInBlacklist",
		"ResourceNotFound", "NoSuchProduct", "NoSuchVersion", "ActionOffline", "InvalidAction",
		"InvalidRequest", "DryRunOperation", "UnsupportedOperation", "UnsupportedProtocol", "UnsupportedRegion":
		return rulingAccount
	case "MissingParameter", "UnknownParameter", "RequestSizeLimitExceeded":
		return rulingBadCall
	default:
		return rulingFault
	}
}

// prefix returns what stands before the first dot.
func prefix(code string) string {
	before, _, _ := strings.Cut(code, ".")
	return before
}

// shown returns the code as far as it looks like one: words of letters with
// dots between. The rest could be anything, the ticket included.
func shown(code string) string {
	const most = 80
	words := strings.Split(code[:min(len(code), most)], ".")
	if len(code) > most {
		words = words[:len(words)-1]
	}
	if bad := slices.IndexFunc(words, func(w string) bool { return !isWord(w) }); bad >= 0 {
		words = words[:bad]
	}
	return strings.Join(words, ".")
}

func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

// shownID returns a request id where it has the form of one, for people who
// ask the API's support.
func shownID(id string) string {
	const form = "00000000-0000-0000-0000-000000000000"
	if len(id) != len(form) {
		return ""
	}
	for i := range len(id) {
		isHex := strings.IndexByte("0123456789abcdefABCDEF", id[i]) >= 0
		if (form[i] == '-') != (id[i] == '-') || form[i] != '-' && !isHex {
			return ""
		}
	}
	return id
}
