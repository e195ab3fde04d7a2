package simulator

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// ending is how a reply reaches the caller.
type ending int

const (
	complete   ending = iota // it arrives
	truncated                // the connection closes in the middle of the body
	wasReset                 // no reply: the connection is reset
	unanswered               // no reply, ever
)

// reply is an answer of the API, whichever way it travels.
type reply struct {
	ending  ending
	status  int
	kind    string // Content-Type
	body    []byte
	outcome string // its name in the counts

	retryAfter time.Duration // 0 = it does not say
}

func jsonReply(outcome string, value any) reply {
	body, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("simulator: cannot write its own answer: %v", err)) // only our types come here
	}
	return reply{status: http.StatusOK, kind: "application/json", body: body, outcome: outcome}
}

type envelope struct {
	Response any
}

type errorResponse struct {
	Error struct {
		Code    string
		Message string
	}
	RequestId string //nolint:revive // the API's spelling
}

// webResponse has all fields of DescribeCaptchaResult's answer.
type webResponse struct {
	CaptchaCode        int
	CaptchaMsg         string
	EvilLevel          int
	GetCaptchaTime     int64
	EvilBitmap         int64
	SubmitCaptchaTime  int64
	DeviceRiskCategory string
	Score              int
	RequestId          string //nolint:revive // the API's spelling
}

type miniResponse struct {
	CaptchaCode int
	CaptchaMsg  string
	RequestId   string //nolint:revive // the API's spelling
}

func refusedReply(r *refusal) reply {
	var e errorResponse
	e.Error.Code, e.Error.Message, e.RequestId = r.code, r.message, newRequestID()
	return jsonReply(r.code, envelope{e})
}

// verdictReply writes v as the call's action does.
func verdictReply(c *call, v verdict) reply {
	outcome := outcomeOf(v)
	if c.mini() {
		return jsonReply(outcome, envelope{miniResponse{v.code, codeMessages[v.code], newRequestID()}})
	}
	web := webResponse{CaptchaCode: v.code, CaptchaMsg: codeMessages[v.code], RequestId: newRequestID()}
	if v.code == codeOK {
		web.Score = scoreOfHumans
		web.SubmitCaptchaTime = v.issued.Unix()
		if c.needTime {
			web.GetCaptchaTime = v.issued.Add(-3 * time.Second).Unix() // a person needs about that long
		}
	}
	if v.evil {
		web.EvilLevel, web.Score = malicious, scoreOfMachines
		web.EvilBitmap, web.DeviceRiskCategory = evilBitsMachines, riskOfMachines
	}
	return jsonReply(outcome, envelope{web})
}

func outcomeOf(v verdict) string {
	if v.evil {
		return "captcha_code_1_evil"
	}
	return "captcha_code_" + strconv.Itoa(v.code)
}

// newRequestID looks like the API's, a UUID.
func newRequestID() string {
	a, b := rand.Uint64(), rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>48&0x3fff, b&0xffffffffffff)
}

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }
