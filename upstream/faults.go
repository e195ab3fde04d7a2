package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"captchagate/captcha"
)

var (
	errUnreadable = errors.New("the answer is not the JSON of the Captcha API")
	errSilent     = errors.New("the answer holds no CaptchaCode")
	errTooLong    = errors.New("the answer is longer than 1 MiB")
)

// A statusError is an HTTP status other than 200. The API answers 200 to
// whatever it processed, so something in front of it answered.
type statusError struct {
	code       int
	retryAfter time.Duration // that it asks for; 0 if it does not
}

// Error names the status.
func (s statusError) Error() string {
	return fmt.Sprintf("the answer has HTTP status %d (%s) where the Captcha API gives 200", s.code, http.StatusText(s.code))
}

// throttles reports whether the status says that there are too many calls, and
// not that something is broken. A 503 does where it says when to come back.
func (s statusError) throttles() bool {
	return s.code == http.StatusTooManyRequests || s.code == http.StatusServiceUnavailable && s.retryAfter > 0
}

// maxRetryAfter bounds the wait that an answer may ask for.
const maxRetryAfter = 5 * time.Second

// newStatusError reads the status of a response, and how long to wait in
// seconds or until a date, at most maxRetryAfter.
func newStatusError(resp *http.Response) statusError {
	s := statusError{code: resp.StatusCode}
	after := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil {
		s.retryAfter = time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	} else if date, err := http.ParseTime(after); err == nil {
		s.retryAfter = min(max(time.Until(date), 0), maxRetryAfter)
	}
	return s
}

// describe says what broke an exchange, in words of our own: errors of the
// transport may quote what a server or a proxy sent. Only sentinels and error
// numbers are wrapped.
func describe(ctx context.Context, err error) error {
	switch ended := context.Cause(ctx); {
	case isOurs(err):
		return err
	case errors.Is(err, captcha.ErrFull):
		return captcha.ErrFull
	case errors.Is(ended, context.Canceled):
		return endedError{"the call was given up", context.Canceled}
	case errors.Is(ended, context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return endedError{"no answer in time", context.DeadlineExceeded}
	}
	return describeTransport(err)
}

// An endedError says in words of our own how a call ended that its context ended.
type endedError struct {
	says  string
	ended error // the context's
}

func (e endedError) Error() string { return e.says }
func (e endedError) Unwrap() error { return e.ended }

// isOurs reports whether the words of an error are our own and say what the API did.
func isOurs(err error) bool {
	return isAnswer(err) || errors.Is(err, errUnreachable) || errors.Is(err, errHandshake)
}

// isAnswer reports whether an answer came, though one that makes no sense.
func isAnswer(err error) bool {
	_, status := errors.AsType[statusError](err)
	return status || errors.Is(err, errTooLong) || errors.Is(err, errUnreadable)
}

func describeTransport(err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return errors.New("the API's host name does not exist")
		}
		return errors.New("the API's host name could not be looked up")
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return fmt.Errorf("%s: %w", operation(err), number)
	}
	if tlsFailure(err) {
		return fmt.Errorf("the TLS handshake failed (%T)", innermost(err))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the connection was closed before the answer was whole")
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Errorf("%s: timed out", operation(err))
	}
	return fmt.Errorf("the HTTP exchange failed (%T)", innermost(err))
}

// operation says what the network was doing: "dial", "read" or "write".
func operation(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op
	}
	return "connection"
}

// tlsFailure reports whether the other side's TLS or certificate was refused.
func tlsFailure(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

func innermost(err error) error {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return err
}
