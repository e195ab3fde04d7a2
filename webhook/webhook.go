// Package webhook posts to an address that an operator configured, and to nowhere else: it
// follows no redirect, and bounds the time and what it reads. No error of it holds the
// address, in which there may be a token.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"captchagate/captcha"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// A Client posts. It is safe for concurrent use.
type Client struct{ http *http.Client }

// New returns a client whose posts may take so long, the answer's body included.
// transport carries them; nil is one of its own.
func New(transport http.RoundTripper, timeout time.Duration) *Client {
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
			TLSHandshakeTimeout:    timeout,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		}
	}
	return &Client{&http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close closes connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Post sends body, which is JSON, under an idempotency key. signature, if not empty, is
// the header that Sign made. Without an error the status was 2xx; then answer is what came
// with it, as far as it came.
func (c *Client) Post(ctx context.Context, address, key, signature string, body []byte) (answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the webhook's address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "captchagate")
	req.Header.Set("Idempotency-Key", key)
	if signature != "" {
		req.Header.Set("X-Gateway-Signature", signature)
	}
	resp, err := c.http.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if err != nil {
		return nil, unreachableError{err}
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, fmt.Errorf("the webhook answered with status %d", resp.StatusCode)
	}
	answer, _ = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status has said that it came
	return answer, nil
}

// An unreachableError says why nothing was acknowledged, and of what the other
// side answered only a little.
type unreachableError struct{ err error }

func (e unreachableError) Error() string {
	return "the webhook cannot be reached: " + captcha.Foreign(e.err.Error())
}

func (e unreachableError) Unwrap() error { return e.err }

// Sign is the header that proves where a body and its idempotency key come from,
// and when they were sent: the receiver can refuse what is old or came before.
func Sign(secret string, at time.Time, key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%d.%s.%s", at.Unix(), key, body)
	return fmt.Sprintf("t=%d,v1=%x", at.Unix(), mac.Sum(nil))
}

// CheckAddress says what is wrong with an address, and repeats nothing of it.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" {
		return errors.New("must be an address such as https://host.example/path")
	}
	return nil
}
