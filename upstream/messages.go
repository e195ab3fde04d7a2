package upstream

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"captchagate/captcha"

	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
)

const (
	service     = "captcha"
	version     = "2019-07-22"
	actionWeb   = "DescribeCaptchaResult"
	actionMini  = "DescribeCaptchaMiniResult"
	captchaType = 9 // the only one there is
)

// resultRequest is the request of DescribeCaptchaResult.
type resultRequest struct {
	*tchttp.BaseRequest

	CaptchaType        uint64
	Ticket             string
	UserIp             string //nolint:revive // named by the API
	Randstr            string
	CaptchaAppId       uint64 //nolint:revive // named by the API
	AppSecretKey       string
	BusinessId         *uint64 `json:",omitempty"` //nolint:revive // named by the API
	SceneId            *uint64 `json:",omitempty"` //nolint:revive // named by the API
	MacAddress         *string `json:",omitempty"`
	Imei               *string `json:",omitempty"`
	NeedGetCaptchaTime *int64  `json:",omitempty"`
}

// resultResponse is the response of DescribeCaptchaResult. Each field may be
// missing or null.
type resultResponse struct {
	*tchttp.BaseResponse

	Response *struct {
		CaptchaCode        *int64
		CaptchaMsg         string
		EvilLevel          int64
		GetCaptchaTime     int64 // unix seconds
		SubmitCaptchaTime  int64 // unix seconds
		EvilBitmap         int64
		DeviceRiskCategory string
		Score              int64
		RequestId          string //nolint:revive // named by the API
	}
}

// miniRequest is the request of DescribeCaptchaMiniResult.
type miniRequest struct {
	*tchttp.BaseRequest

	CaptchaType  uint64
	Ticket       string
	UserIp       string //nolint:revive // named by the API
	CaptchaAppId uint64 //nolint:revive // named by the API
	AppSecretKey string
	BusinessId   *uint64 `json:",omitempty"` //nolint:revive // named by the API
	SceneId      *uint64 `json:",omitempty"` //nolint:revive // named by the API
	MacAddress   *string `json:",omitempty"`
	Imei         *string `json:",omitempty"`
}

// miniResponse is the response of DescribeCaptchaMiniResult.
type miniResponse struct {
	*tchttp.BaseResponse

	Response *struct {
		CaptchaCode *int64
		CaptchaMsg  string
		RequestId   string //nolint:revive // named by the API
	}
}

// newBaseRequest begins a request. The SDK stamps the time of signing into it,
// so each attempt needs one of its own.
func newBaseRequest(action string) *tchttp.BaseRequest {
	return new(tchttp.BaseRequest).Init().WithApiInfo(service, version, action)
}

func newResultRequest(t captcha.Ticket, appSecretKey string) *resultRequest {
	return &resultRequest{
		BaseRequest:  newBaseRequest(actionWeb),
		CaptchaType:  captchaType,
		Ticket:       t.Value,
		UserIp:       userIP(t.UserIP),
		Randstr:      t.Randstr,
		CaptchaAppId: t.AppID,
		AppSecretKey: appSecretKey,
	}
}

func newMiniRequest(t captcha.Ticket, appSecretKey string) *miniRequest {
	return &miniRequest{
		BaseRequest:  newBaseRequest(actionMini),
		CaptchaType:  captchaType,
		Ticket:       t.Value,
		UserIp:       userIP(t.UserIP),
		CaptchaAppId: t.AppID,
		AppSecretKey: appSecretKey,
	}
}

// userIP writes an address as the API knows it: IPv4 as such, no zone.
func userIP(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// answer returns what the response says, or nil where it says nothing.
func (r *resultResponse) answer() *captcha.Answer {
	if r.Response == nil || r.Response.CaptchaCode == nil {
		return nil
	}
	return &captcha.Answer{
		Code:      *r.Response.CaptchaCode,
		Message:   clean(r.Response.CaptchaMsg, maxMessage),
		EvilLevel: r.Response.EvilLevel,
		Score:     r.Response.Score,
		RequestID: clean(r.Response.RequestId, maxRequestID),
	}
}

// answer returns what the response says, or nil where it says nothing.
func (r *miniResponse) answer() *captcha.Answer {
	if r.Response == nil || r.Response.CaptchaCode == nil {
		return nil
	}
	return &captcha.Answer{
		Code:      *r.Response.CaptchaCode,
		Message:   clean(r.Response.CaptchaMsg, maxMessage),
		RequestID: clean(r.Response.RequestId, maxRequestID),
	}
}

// Longest texts of an answer that are passed on, in bytes.
const (
	maxMessage   = 256
	maxRequestID = 64
)

// clean returns s as valid UTF-8 of at most the given number of bytes, cut
// between characters.
func clean(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
