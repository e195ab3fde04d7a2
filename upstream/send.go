package upstream

import (
	"context"
	"errors"
	"fmt"

	"captchagate/captcha"

	tcerrors "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
)

// A reply is what one call brought back, before anybody judged it. At most one
// of answer, code and err is set; none of them where the body says nothing.
type reply struct {
	answer    *captcha.Answer
	code      string // the Cloud API's error code
	requestID string // that came with code
	err       error  // why there is no answer; safe to show
	cancelled bool   // err is the caller's going away
	delivered bool   // the API may have got the request
}

// send makes one call. It alone knows how a call is made; all else sees the
// reply.
func (c *Client) send(ctx context.Context, t captcha.Ticket, appSecretKey string) (r reply) {
	x := new(exchange)
	defer func() {
		if p := recover(); p != nil {
			// The SDK does, on a body of "null" for one. The value may hold
			// anything, so only its type is told.
			r = reply{err: fmt.Errorf("the call panicked (%T)", p), delivered: x.delivered()}
		}
	}()
	if ctx.Err() != nil {
		return x.failed(ctx, ctx.Err())
	}
	answer, err := c.ask(x.attach(ctx), t, appSecretKey)
	switch {
	case x.err != nil:
		return x.failed(ctx, x.err)
	case err != nil && !x.begun:
		return reply{err: fmt.Errorf("the request could not be made (%T)", err)}
	case err != nil:
		return refused(err)
	}
	return reply{answer: answer, delivered: true}
}

// ask sends the request of t's action and reads the answer, nil where
// there is none in the response.
func (c *Client) ask(ctx context.Context, t captcha.Ticket, appSecretKey string) (*captcha.Answer, error) {
	if t.Mini {
		request := newMiniRequest(t, appSecretKey)
		request.SetContext(ctx)
		response := &miniResponse{BaseResponse: new(tchttp.BaseResponse)}
		err := c.sdk.Send(request, response)
		return response.answer(), err
	}
	request := newResultRequest(t, appSecretKey)
	request.SetContext(ctx)
	response := &resultResponse{BaseResponse: new(tchttp.BaseResponse)}
	err := c.sdk.Send(request, response)
	return response.answer(), err
}

// refused reads the SDK's error about a response that arrived whole. Its
// message may hold the body and is dropped.
func refused(err error) reply {
	sdk, ok := errors.AsType[*tcerrors.TencentCloudSDKError](err)
	if !ok || sdk.Code == "" || prefix(sdk.Code) == "ClientError" {
		return reply{err: errUnreadable, delivered: true}
	}
	return reply{code: sdk.Code, requestID: sdk.RequestId, delivered: true}
}
