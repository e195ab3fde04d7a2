package public

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"captchagate/captcha"
	"captchagate/policy"
	"captchagate/tc3"
)

// codeUnsafe is the CaptchaCode of who is not let in while nobody can verify: risk
// control found the request unsafe.
const codeUnsafe = 21

// An apiAnswer is an answer in the form of the Tencent Cloud API, with the decision that
// it tells.
type apiAnswer struct {
	decision policy.Decision
	body     []byte
}

const (
	// maxReplayed bounds the answers kept for the same signed call, in bytes: all of
	// AnswerLife at the API's limit of 1,000 a second, if they are as short as they are.
	maxReplayed = 256 << 20
	// besideBody is what a kept answer takes beside its body, in bytes, as
	// BenchmarkDropIn_Memory finds it.
	besideBody = 480
)

// size is what the answer takes in memory, in bytes.
func (a apiAnswer) size() int { return besideBody + len(a.body) }

func (a apiAnswer) write(c *gin.Context) {
	h := c.Writer.Header()
	h["Content-Type"] = jsonType
	a.tell(h)
	c.Status(http.StatusOK)
	_, _ = c.Writer.Write(a.body) // whoever went away needs no answer
}

// tell says in headers what was decided.
func (a apiAnswer) tell(h http.Header) {
	values := []string{a.decision.Action.String(), string(a.decision.Mode), a.decision.ID}
	h["X-Gateway-Decision"] = values[0:1:1]
	h["X-Gateway-Mode"] = values[1:2:2]
	h["X-Gateway-Decision-Id"] = values[2:3:3]
}

// An apiResponse has all fields of the API's answers: who reads one without looking
// whether it is there must not fall over.
type apiResponse struct {
	CaptchaCode        int64
	CaptchaMsg         string
	EvilLevel          *int64  `json:",omitempty"`
	GetCaptchaTime     *int64  `json:",omitempty"`
	EvilBitmap         *int64  `json:",omitempty"`
	SubmitCaptchaTime  *int64  `json:",omitempty"`
	DeviceRiskCategory *string `json:",omitempty"`
	Score              *int64  `json:",omitempty"`
	RequestID          string  `json:"RequestId"`
}

func ownAnswer(code int64, message string, mini bool, id string) []byte {
	r := apiResponse{CaptchaCode: code, CaptchaMsg: message, RequestID: id}
	if !mini {
		none, nothing := int64(0), ""
		r.EvilLevel, r.GetCaptchaTime, r.EvilBitmap, r.SubmitCaptchaTime, r.Score, r.DeviceRiskCategory = &none, &none, &none, &none, &none, &nothing
	}
	return enveloped(r)
}

func enveloped(response any) []byte {
	body, err := json.Marshal(struct{ Response any }{response})
	if err != nil {
		panic(err) // all fields are our own
	}
	return body
}

// answerOf tells a decision as the API would. If the API made it, the answer is the
// API's own, with all that it holds and the decision's id as its RequestId.
func answerOf(d policy.Decision, of captcha.Ticket, x *captcha.Exchange) []byte {
	passedBefore := d.Reason == policy.ReasonRejected && d.Answer != nil && d.Answer.Code == captcha.CodeOK
	switch {
	case d.Mode == policy.ModeDegraded || d.Reason == policy.ReasonDegradedDeny:
		return ownAnswer(degradedCode(d), degradedMessage(d), of.Mini, d.ID)
	case x.Before == nil && !of.WellFormed():
		return ownAnswer(captcha.CodeForged, "The ticket is forged or damaged.", of.Mini, d.ID)
	case x.Before == nil || passedBefore:
		return ownAnswer(captcha.CodeReused, "The ticket was used before.", of.Mini, d.ID)
	}
	body := make([]byte, 0, len(x.Before)+len(d.ID)+2+len(x.After))
	body = append(append(body, x.Before...), '"')
	return append(append(append(body, d.ID...), '"'), x.After...)
}

func degradedCode(d policy.Decision) int64 {
	if d.Action == policy.Allow {
		return captcha.CodeOK
	}
	return codeUnsafe
}

func degradedMessage(d policy.Decision) string {
	return "captchagate: " + string(d.Reason) + " (" + string(d.Cause) + ")"
}

// A refusal is an answer without a decision: an error, or a CaptchaCode that the API
// would give too.
type refusal struct {
	errorCode   string // or, if that is "",
	captchaCode int64
	message     string
}

// What the API refuses for what its caller wrote. None tells anything that the request
// holds.
var (
	unreadableBody   = &refusal{errorCode: "InvalidParameter", message: "The body cannot be read: it must be one JSON object, or a form, of at most 64 KiB."}
	wrongContentType = &refusal{errorCode: "InvalidParameter", message: "The content type must be application/json, or application/x-www-form-urlencoded."}
	wrongType        = &refusal{errorCode: "InvalidParameter", message: "A parameter has the wrong type, or stands there twice."}
	namedTwice       = &refusal{errorCode: "InvalidParameter", message: "The action or its version is named twice, and not the same."}
	otherType        = &refusal{errorCode: "InvalidParameterValue", message: "CaptchaType must be 9."}
	missingParameter = &refusal{errorCode: "MissingParameter", message: "A parameter is missing: Ticket, UserIp, Randstr (not of DescribeCaptchaMiniResult), CaptchaType, CaptchaAppId and AppSecretKey are needed."}
	noAction         = &refusal{errorCode: "MissingParameter", message: "The action is missing."}
	noVersion        = &refusal{errorCode: "MissingParameter", message: "The version is missing."}
	otherAction      = &refusal{errorCode: "InvalidAction", message: "The actions here are DescribeCaptchaResult and DescribeCaptchaMiniResult."}
	otherVersion     = &refusal{errorCode: "NoSuchVersion", message: "The version here is 2019-07-22."}
	unknownApp       = &refusal{captchaCode: captcha.CodeOtherApp, message: "The CaptchaAppId is not configured here."}
	wrongAppKey      = &refusal{captchaCode: captcha.CodeNoMatch, message: "The AppSecretKey does not belong to the CaptchaAppId."}
	wrongUserIP      = &refusal{captchaCode: captcha.CodeForged, message: "UserIp is not an IP address."}
)

// refusals are all of them, those of the signature too.
var refusals = []*refusal{
	unreadableBody, wrongContentType, wrongType, namedTwice, otherType, missingParameter, noAction, noVersion, otherAction, otherVersion,
	unknownApp, wrongAppKey, wrongUserIP,
	refusalOf(tc3.ErrUnsigned), refusalOf(tc3.ErrUnknownID), refusalOf(tc3.ErrExpired), refusalOf(tc3.ErrWrong),
}

func refusalOf(r *tc3.Refusal) *refusal { return &refusal{errorCode: r.Code, message: r.Message} }

// name is the code, as metrics and the log have it.
func (r *refusal) name() string {
	if r.errorCode != "" {
		return r.errorCode
	}
	return strconv.FormatInt(r.captchaCode, 10)
}

// answer is the refusal as the API gives it. There is no decision, but whoever asks
// must let nobody in.
func (r *refusal) answer(mini bool) apiAnswer {
	id := uuid.NewString()
	a := apiAnswer{decision: policy.Decision{Action: policy.Deny, Mode: policy.ModeNormal, ID: id}}
	if r.errorCode == "" {
		a.body = ownAnswer(r.captchaCode, r.message, mini, id)
		return a
	}
	var e struct {
		Error     struct{ Code, Message string }
		RequestID string `json:"RequestId"`
	}
	e.Error.Code, e.Error.Message, e.RequestID = r.errorCode, r.message, id
	a.body = enveloped(e)
	return a
}
