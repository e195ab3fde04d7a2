package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"captchagate/captcha"
)

// longestCall bounds a call whose context has no deadline.
const longestCall = 30 * time.Second

// A reply is what one call brought back, before anybody judged it. At most one
// of answer, code and err is set; none of them where the body says nothing.
type reply struct {
	answer     *captcha.Answer
	code       string // the Cloud API's error code
	requestID  string // that came with code
	err        error  // why there is no answer; safe to show
	cancelled  bool   // err is the caller's going away
	connecting bool   // err came before there was a connection that others got
	trouble    string // err is this kind of trouble of our own
	delivered  bool   // the API may have got the request
	resent     bool   // it may have got it twice
	kept       bool   // err came on a connection that had been kept, and no byte before
	carrier    carrier
}

// release gives back what carried the call, which ended in the failure or, if
// that is nil, in a verdict.
func (r reply) release(f *captcha.Failure) {
	switch {
	case r.carrier == nil:
	case f == nil:
		r.carrier.release(good)
	case f.Kind == captcha.Fault:
		r.carrier.release(faulted)
	case r.err == nil || f.Kind == captcha.Throttled:
		r.carrier.release(good)
	default:
		r.carrier.release(cut)
	}
}

// send makes one call. It alone knows how a call is made; all else sees the
// reply.
func (c *Client) send(ctx context.Context, t captcha.Ticket, act *action, appSecretKey string) (r reply) {
	out := new(outgoing)
	defer func() {
		if p := recover(); p != nil {
			// The value may hold anything, so only its type is told.
			r = reply{err: fmt.Errorf("the call panicked (%T)", p), delivered: out.reader != nil}
		}
	}()
	if err := ctx.Err(); err != nil {
		return failed(ctx, err, false)
	}
	ctx, release := bounded(ctx)
	defer release()
	var err error
	if out.content, err = act.write(t, appSecretKey, captcha.ExchangeOf(ctx)); err != nil {
		return reply{err: fmt.Errorf("the request could not be made (%T)", err)}
	}
	return c.exchange(ctx, act, out)
}

// exchange sends a request and reads its answer. If a kept connection dies
// under it without a word, as it may have before, one made for it follows at
// once.
func (c *Client) exchange(ctx context.Context, act *action, out *outgoing) reply {
	call := captcha.CallOf(ctx)
	with, err := c.carriers.take(ctx, call.Fresh)
	if err != nil {
		return failed(ctx, err, false)
	}
	call.OnTheWire()
	if err := ctx.Err(); err != nil { // called off at the last moment
		with.release(cut)
		return failed(ctx, err, false)
	}
	r := c.carry(ctx, with, act, out)
	if r.err == nil || !with.wasDead() || ctx.Err() != nil {
		return r
	}
	with.release(cut)
	first := r.delivered
	c.metrics.resent.Inc()
	if with, err = c.carriers.take(ctx, true); err != nil {
		return failed(ctx, err, first)
	}
	r = c.carry(ctx, with, act, out)
	r.resent, r.delivered = first, r.delivered || first
	return r
}

// carry makes one exchange over a connection.
func (c *Client) carry(ctx context.Context, with carrier, act *action, out *outgoing) (r reply) {
	way := http.RoundTripper(with)
	if c.around != nil {
		way = c.around(with)
	}
	resp, err := way.RoundTrip(act.request(ctx, out))
	if err != nil {
		r = failed(ctx, err, out.taken() && with.wrote())
	} else if r = c.read(ctx, resp); r.err != nil {
		r = failed(ctx, r.err, true)
	}
	r.carrier = with
	r.kept = r.err != nil && with.wasDead()
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
	r := reply{
		err:       describe(ctx, err),
		cancelled: !isOurs(err) && errors.Is(context.Cause(ctx), context.Canceled),
		delivered: delivered,
	}
	r.trouble, _ = captcha.LocalTrouble(err)
	_, r.connecting = errors.AsType[connectingError](err)
	return r
}
