package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
)

var (
	errUnreadable = errors.New("the answer is not the JSON of the Captcha API")
	errSilent     = errors.New("the answer holds no CaptchaCode")
	errTooLong    = errors.New("the answer is longer than 1 MiB")
)

// A statusError is an HTTP status other than 200. The API answers 200 to
// whatever it processed, so something in front of it answered.
type statusError int

// Error names the status.
func (s statusError) Error() string {
	return fmt.Sprintf("the answer has HTTP status %d (%s) where the Captcha API gives 200", int(s), http.StatusText(int(s)))
}

// describe says what broke an exchange, in words of our own: errors of the
// transport may quote what a server or a proxy sent. Only sentinels and error
// numbers are wrapped.
func describe(ctx context.Context, err error) error {
	switch ended := ctx.Err(); {
	case isOurs(err):
		return err
	case errors.Is(ended, context.Canceled):
		return fmt.Errorf("the call was given up: %w", context.Canceled)
	case errors.Is(ended, context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	}
	return describeTransport(err)
}

func isOurs(err error) bool {
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
