package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// maxBody is the longest answer that is read, in bytes. Real ones have some
// hundreds.
const maxBody = 1 << 20

// An exchange notes what happened to one request on its way, because the SDK's
// errors do not say. It travels in the request's context.
type exchange struct {
	connection atomic.Int32 // one of the constants below
	begun      bool         // the transport was asked
	status     int          // HTTP status; 0 where no response came
	err        error        // why there is no whole 200 response
}

// How far the request came, as the transport tells. A transport that tells
// nothing (one in the same process) leaves it untold.
const (
	untold int32 = iota
	connecting
	connected
)

type exchangeKey struct{}

// attach returns a context that carries x. A second GetConn means that the
// transport found its first connection closed before it wrote anything.
func (x *exchange) attach(ctx context.Context) context.Context {
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { x.connection.Store(connecting) },
		GotConn: func(httptrace.GotConnInfo) { x.connection.Store(connected) },
	})
}

// delivered reports whether the API may have got the request. In doubt it did.
func (x *exchange) delivered() bool {
	if x.status != 0 {
		return true
	}
	switch x.connection.Load() {
	case connecting:
		return false
	case connected:
		return true
	default:
		return x.begun && !dialFailure(x.err)
	}
}

// failed says why a call has no answer. The caller's going away explains a
// broken exchange, but not a response that came and was wrong.
func (x *exchange) failed(ctx context.Context, err error) reply {
	r := reply{err: describe(ctx, err), delivered: x.delivered()}
	r.cancelled = !isOurs(err) && errors.Is(ctx.Err(), context.Canceled)
	return r
}

// A guard stands between the SDK and the transport. It lets nothing through
// but a whole response of status 200: the SDK would follow redirects, read
// bodies without end, unpack them and take event streams for something else.
type guard struct {
	next http.RoundTripper
}

// RoundTrip sends the request and notes in its exchange what happened.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		x = new(exchange)
	}
	x.begun = true
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		x.err = err
		return nil, err
	}
	x.status = resp.StatusCode
	body, err := readBody(resp)
	if resp.StatusCode != http.StatusOK {
		err = statusError(resp.StatusCode)
	}
	if err != nil {
		x.err = err
		return nil, err
	}
	resp.Header = http.Header{"Content-Type": {"application/json"}}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, nil
}

// readBody reads the body to its end, so that the connection can be used
// again, unless it is too long.
func readBody(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	if resp.ContentLength > maxBody {
		return nil, errTooLong
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		return nil, errTooLong
	}
	return body, err
}
