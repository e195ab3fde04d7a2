package reverify

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

const (
	// sendTimeout bounds one delivery, the answer's body included.
	sendTimeout = 5 * time.Second
	// maxAnswer is how much of an answer is read so that its connection can be
	// used again, in bytes. Nothing in it matters.
	maxAnswer = 64 << 10
)

// A webhook is where reports go, signed.
type webhook struct {
	address string
	secret  string
	client  *http.Client
}

// newClient returns a client that follows no redirect: the reports go where
// the configuration says and nowhere else.
func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: sendTimeout}).DialContext,
			TLSHandshakeTimeout:    sendTimeout,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		}
	}
	return &http.Client{
		Transport: transport, Timeout: sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends body; nil means that it was acknowledged. Its errors never hold
// the address, in which there may be a token.
func (w *webhook) post(ctx context.Context, key string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook's address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "captchagate")
	req.Header.Set("Idempotency-Key", key)
	req.Header.Set("X-Gateway-Signature", sign(w.secret, time.Now(), key, body))
	resp, err := w.client.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if err != nil {
		return unreachableError{err}
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("the webhook answered with status %d", resp.StatusCode)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // the status has said it all
	return nil
}

// An unreachableError says why nothing was acknowledged, and of what the other
// side answered only a little.
type unreachableError struct{ err error }

func (e unreachableError) Error() string {
	return "the webhook cannot be reached: " + captcha.Foreign(e.err.Error())
}

func (e unreachableError) Unwrap() error { return e.err }

// sign is the header that proves where a body and its idempotency key come from,
// and when they were sent: the receiver can refuse what is old or came before.
func sign(secret string, at time.Time, key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%d.%s.%s", at.Unix(), key, body)
	return fmt.Sprintf("t=%d,v1=%x", at.Unix(), mac.Sum(nil))
}
