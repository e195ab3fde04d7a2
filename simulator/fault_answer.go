package simulator

// Faults that are told in a well-formed 200 body: internal_error,
// captcha_code_26, throttle, auth_failure, arrears.

// The texts of these two are those of Tencent's business disaster recovery
// scheme, to the letter: some callers match them.
const (
	internalErrorText = "An internal error has occurred. Retry your request. If the problem persists, contact us."
	busyText          = `System busy. For more information, please see the Captcha documentation. Search for the keyword "DescribeCaptchaResult", and check the description of the CaptchaCode field in the output parameters`
)

func internalError() reply {
	return refusedReply(&refusal{"InternalError", internalErrorText})
}

// busy is the scheme's sample, with its two keys beside Response.
func busy() reply {
	type response struct {
		CaptchaCode    int
		CaptchaMsg     string
		EvilLevel      int
		GetCaptchaTime int64
		RequestId      string //nolint:revive // the API's spelling
	}
	return jsonReply("captcha_code_26", struct {
		Response any
		Retcode  int    `json:"retcode"`
		Retmsg   string `json:"retmsg"`
	}{
		Response: response{CaptchaCode: codeBusy, CaptchaMsg: busyText, RequestId: newRequestID()},
		Retmsg:   "ok",
	})
}

var throttleCodes = [...]string{
	"RequestLimitExceeded",
	"RequestLimitExceeded.UinLimitExceeded",
	"RequestLimitExceeded.IPLimitExceeded",
	"RequestLimitExceeded.GlobalRegionUinLimitExceeded",
}

func (s *Simulator) throttled() reply {
	code := throttleCodes[s.random.next()%uint64(len(throttleCodes))]
	return refusedReply(refuse(code, "There are too many calls."))
}

func accountRefused() reply {
	return refusedReply(refuse("AuthFailure.UnauthorizedOperation", "The account may not call this."))
}

// arrears has a CaptchaCode of its own for mini programs.
func arrears(c *call) reply {
	if c.mini() {
		return verdictReply(c, verdict{code: codeArrearsMini})
	}
	return refusedReply(refuse("UnauthorizedOperation.Arrears", "The account is in arrears."))
}
