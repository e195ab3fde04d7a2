package upstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"captchagate/captcha"
)

// longestCall bounds a call whose context has no deadline.
const longestCall = 30 * time.Second

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
	asked := false
	defer func() {
		if p := recover(); p != nil {
			// The value may hold anything, so only its type is told.
			r = reply{err: fmt.Errorf("the call panicked (%T)", p), delivered: asked}
		}
	}()
	if err := ctx.Err(); err != nil {
		return failed(ctx, err, false)
	}
	ctx, release := bounded(ctx)
	defer release()
	act := c.web
	if t.Mini {
		act = c.mini
	}
	body, err := act.write(t, appSecretKey)
	if err != nil {
		return reply{err: fmt.Errorf("the request could not be made (%T)", err)}
	}
	out := &outgoing{content: body}
	request := act.request(ctx, out)
	asked = true
	resp, err := c.transport.RoundTrip(request) //nolint:bodyclose // read closes it
	if err != nil {
		return failed(ctx, err, out.taken())
	}
	if r = c.read(resp); r.err != nil {
		return failed(ctx, r.err, true)
	}
	return r
}

// bounded returns ctx with a deadline, and what releases it.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, longestCall)
}

// failed says why a call has no answer. The caller's going away explains a
// broken exchange, but not a response that came and was wrong.
func failed(ctx context.Context, err error, delivered bool) reply {
	return reply{
		err:       describe(ctx, err),
		cancelled: !isOurs(err) && errors.Is(ctx.Err(), context.Canceled),
		delivered: delivered,
	}
}
