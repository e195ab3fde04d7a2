package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"captchagate/captcha"
	"captchagate/upstream"

	tencent "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	tcerrors "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"
)

// An oracle makes the same calls with the SDK's own client.
type oracle struct{ client *tencent.Client }

// sdkRequest is how the SDK's product package writes a request: optional
// fields are pointers.
type sdkRequest struct {
	*tchttp.BaseRequest

	CaptchaType  *uint64 `json:",omitempty"`
	Ticket       *string `json:",omitempty"`
	UserIp       *string `json:",omitempty"`
	Randstr      *string `json:",omitempty"`
	CaptchaAppId *uint64 `json:",omitempty"`
	AppSecretKey *string `json:",omitempty"`
}

type sdkResponse struct {
	*tchttp.BaseResponse

	Response *struct {
		CaptchaCode *int64
		CaptchaMsg  *string
		EvilLevel   *int64
		Score       *int64
		RequestId   *string
	}
}

func newOracle(t testing.TB, cfg upstream.Config, w http.RoundTripper) oracle {
	t.Helper()
	endpoint, err := url.Parse(cfg.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := profile.NewClientProfile()
	p.HttpProfile.Endpoint, p.HttpProfile.Scheme = endpoint.Host, endpoint.Scheme
	p.HttpProfile.ReqTimeout = 0
	p.Language = "en-US"
	p.DisableRegionBreaker = true
	client := new(tencent.Client).Init(cfg.Region).WithSecretId(cfg.SecretID, cfg.SecretKey)
	return oracle{client.WithProfile(p).WithHttpTransport(w)}
}

// ask asks about t. The SDK panics on some answers.
func (o oracle) ask(ctx context.Context, t captcha.Ticket, appSecretKey string) (got *sdkResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the SDK panicked: %v", p)
		}
	}()
	action, ip := "DescribeCaptchaResult", t.UserIP.String()
	if t.Mini {
		action = "DescribeCaptchaMiniResult"
	}
	request := &sdkRequest{
		BaseRequest: new(tchttp.BaseRequest).Init().WithApiInfo("captcha", "2019-07-22", action),
		CaptchaType: new(uint64(9)), Ticket: &t.Value, UserIp: &ip, CaptchaAppId: &t.AppID, AppSecretKey: &appSecretKey,
	}
	if !t.Mini {
		request.Randstr = &t.Randstr
	}
	request.SetContext(ctx)
	got = &sdkResponse{BaseResponse: new(tchttp.BaseResponse)}
	return got, o.client.Send(request, got)
}

// reads returns what the SDK makes of an answer, in the words of reading.
func (o oracle) reads(ctx context.Context, t captcha.Ticket) string {
	got, err := o.ask(ctx, t, appSecretKey)
	if failed, ok := errors.AsType[*tcerrors.TencentCloudSDKError](err); ok && failed.Code != "" && !strings.HasPrefix(failed.Code, "ClientError.") {
		return "code " + failed.Code
	}
	if err != nil || got == nil || got.Response == nil || got.Response.CaptchaCode == nil {
		return "nothing"
	}
	r := got.Response
	return fmt.Sprintf("answer %+v", captcha.Answer{
		Code: *r.CaptchaCode, Message: value(r.CaptchaMsg), EvilLevel: value(r.EvilLevel),
		Score: value(r.Score), RequestID: value(r.RequestId),
	})
}

// reading returns what the gateway makes of an answer.
func reading(v captcha.Verdict, err error) string {
	a, code := v.Answer, ""
	if f, ok := errors.AsType[*captcha.Failure](err); ok {
		a, code = f.Answer, f.Code
	}
	switch {
	case a != nil:
		return fmt.Sprintf("answer %+v", *a)
	case code != "":
		return "code " + code
	case err != nil:
		return "nothing"
	}
	return "a bad call"
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
