package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"

	"captchagate/captcha"
)

// maxShadowIdle is how many connections of shadow calls are kept.
const maxShadowIdle = 256

// newShadowTransport is what shadow calls travel on: connections beside the pool's,
// without bound, since nothing may hold such a call back.
func newShadowTransport(scheme string) *http.Transport {
	t := newTransport(scheme, (&net.Dialer{Timeout: maxConnecting}).DialContext)
	t.MaxIdleConnsPerHost, t.IdleConnTimeout = maxShadowIdle, maxIdle
	return t
}

// Forward makes a call of somebody else's, signed anew, and has s tell what came of it.
// It takes as long as ctx lets it.
func (c *Client) Forward(ctx context.Context, f captcha.Forwarded, s *captcha.Shadow) {
	defer close(s.Done)
	wired := sync.OnceFunc(func() { close(s.Wired) })
	defer wired()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { s.Sent.Store(true); wired() }})
	asker := c.account.Load().web
	if f.SecretID != "" {
		asker = newAction(f.Action, Config{SecretID: f.SecretID, SecretKey: f.SecretKey}, c.endpoint)
	}
	r := asker.request(ctx, &outgoing{content: f.Body})
	for name, value := range map[string]string{
		"X-Tc-Action": f.Action, "X-Tc-Version": f.Version, "X-Tc-Language": f.Language, "X-Tc-Region": f.Region,
	} {
		r.Header.Del(name)
		if value != "" {
			r.Header[name] = []string{value}
		}
	}
	if _, real := c.shadows.(*http.Transport); !real {
		s.Sent.Store(true) // whoever stands in for the network tells nothing of its way
		wired()
	}
	resp, err := c.shadows.RoundTrip(r)
	if err != nil {
		s.Err = err
		return
	}
	defer resp.Body.Close()
	s.Status, s.Header = resp.StatusCode, resp.Header
	if s.Body, s.Err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1)); len(s.Body) > maxBody {
		s.Err = errTooLong
	}
}

// look judges a shadow call as one of our own: it ends with ctx, though the call goes
// on. It is never repeated.
func (c *Client) look(ctx context.Context, t captcha.Ticket, s *captcha.Shadow) (captcha.Verdict, error) {
	verdict, failure := c.classify(t.Mini, c.await(ctx, s))
	s.Looked.Store(failure == nil || !failure.Unsent()) // one that is only sent later counts then
	if failure != nil {
		failure.Retryable = false
		return captcha.Verdict{}, failure
	}
	return verdict, nil
}

func (c *Client) await(ctx context.Context, s *captcha.Shadow) reply {
	ctx, release := bounded(ctx)
	defer release()
	wired := s.Wired
	for {
		select {
		case <-wired:
			captcha.CallOf(ctx).OnTheWire()
			wired = nil
		case <-s.Done:
			if wired != nil {
				captcha.CallOf(ctx).OnTheWire()
			}
			return c.readShadow(ctx, s)
		case <-ctx.Done():
			return failed(ctx, ctx.Err(), wired == nil)
		}
	}
}

// readShadow reads what came of a shadow call as the answer to one of our own.
func (c *Client) readShadow(ctx context.Context, s *captcha.Shadow) reply {
	if s.Err != nil && !errors.Is(s.Err, errTooLong) {
		return failed(ctx, s.Err, s.Sent.Load())
	}
	return c.read(ctx, &http.Response{
		StatusCode: s.Status, Header: s.Header, Body: io.NopCloser(bytes.NewReader(s.Body)), ContentLength: int64(len(s.Body)),
	})
}
