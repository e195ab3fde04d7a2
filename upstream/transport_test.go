package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
)

func TestVerify_ClassifiesBrokenExchanges(t *testing.T) {
	op := func(name string, err error) error { return &net.OpError{Op: name, Net: "tcp", Err: err} }
	rows := []struct {
		name string
		err  error
		want want // what breaks before there is a connection leaves the body alone
		says string
	}{
		{"refused", op("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)), neverArrived, "dial: connection refused"},
		{"unreachable", op("dial", os.NewSyscallError("connect", syscall.ENETUNREACH)), neverArrived, "dial: network is unreachable"},
		{"no such host", op("dial", &net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}), neverArrived, "does not exist"},
		{"dns away", &net.DNSError{Err: "timeout", Name: "h", IsTimeout: true}, neverArrived, "looked up"},
		{"certificate", &tls.CertificateVerificationError{Err: errors.New("expired")}, neverArrived, "TLS"},
		{"not TLS", tls.RecordHeaderError{Msg: "first record does not look like TLS"}, neverArrived, "TLS"},
		{"reset", op("read", os.NewSyscallError("read", syscall.ECONNRESET)), fault, "read: connection reset"},
		{"broken pipe", op("write", os.NewSyscallError("write", syscall.EPIPE)), fault, "write: broken pipe"},
		{"closed", io.EOF, fault, "closed before"},
		{"cut", io.ErrUnexpectedEOF, fault, "closed before"},
		{"read timed out", op("read", os.ErrDeadlineExceeded), fault, "timed out"},
		{"who knows", errors.New("strange"), fault, "exchange failed"},
		{"deadline of the transport", context.DeadlineExceeded, fault, "no answer in time"},
		{"TLS broken after the request", tls.RecordHeaderError{Msg: "unsupported version"}, fault, "TLS"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			calls := 0
			c := newClient(t, wire(func(r *http.Request) (*http.Response, error) {
				calls++
				if row.want == neverArrived {
					return nil, row.err
				}
				return failing(row.err)(r)
			}))
			_, err := c.Verify(t.Context(), webTicket())
			if f := row.want.check(t, err); !strings.Contains(f.Error(), row.says) || f.Code != "" {
				t.Errorf("error is %q, code %q", f, f.Code)
			}
			if calls != 1 {
				t.Errorf("asked %d times, want once", calls)
			}
		})
	}
}

// A transport that found its connection closed begins the body anew. Should it
// then find no other connection, nothing has left.
func TestVerify_BodyBegunAnewHasNotLeft(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for again, want := range map[bool]want{false: neverArrived, true: fault} {
		c := newClient(t, wire(func(r *http.Request) (*http.Response, error) {
			first, _ := io.ReadAll(r.Body)
			body, err := r.GetBody()
			if err != nil {
				t.Fatal(err)
			}
			if !again {
				return nil, refused
			}
			if second, _ := io.ReadAll(body); string(second) != string(first) || int64(len(first)) != r.ContentLength {
				t.Errorf("the body was %q and is %q, its length %d", first, second, r.ContentLength)
			}
			return nil, io.EOF
		}))
		_, err := c.Verify(t.Context(), webTicket())
		want.check(t, err)
	}
}

func TestVerify_BodyThatBreaksIsAFault(t *testing.T) {
	for _, broken := range []error{io.ErrUnexpectedEOF, &net.OpError{Op: "read", Err: syscall.ECONNRESET}} {
		c := newClient(t, wire(func(*http.Request) (*http.Response, error) {
			r := response(200, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"Response":{"Captcha`), failingReader{broken}))
			r.ContentLength = -1
			return r, nil
		}))
		_, err := c.Verify(t.Context(), webTicket())
		fault.check(t, err)
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestVerify_PanicIsAFault(t *testing.T) {
	c := newClient(t, wire(func(*http.Request) (*http.Response, error) { panic(ticketValue) }))
	_, err := c.Verify(t.Context(), webTicket())
	f := fault.check(t, err)
	if strings.Contains(f.Error(), ticketValue) {
		t.Errorf("error %q holds what panicked", f)
	}
}

// hanging is a transport that answers when the caller gives up.
var hanging = wire(func(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
	return nil, r.Context().Err()
})

func TestVerify_ContextBounds(t *testing.T) {
	for _, limit := range []time.Duration{50 * time.Millisecond, 1700 * time.Millisecond, 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			_, err := newClient(t, hanging).Verify(ctx, webTicket())
			if f := fault.check(t, err); !errors.Is(f, context.DeadlineExceeded) {
				t.Errorf("%v is no deadline to errors.Is", f)
			}
			if took := time.Since(began); took != limit {
				t.Errorf("took %v, want %v", took, limit)
			}
		})
	}
}

func TestVerify_BoundsACallWithoutADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := newClient(t, hanging).Verify(context.WithoutCancel(t.Context()), webTicket())
		fault.check(t, err)
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("took %v, want 30 s", took)
		}
	})
}

func TestVerify_CallerWhoGoesAwayIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := newClient(t, hanging).Verify(ctx, webTicket())
		if f := goneAfter.check(t, err); !errors.Is(f, context.Canceled) {
			t.Errorf("%v is no cancellation to errors.Is", f)
		}
	})
}

func TestVerify_CallerGoneBeforeIsNotAskedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := newClient(t, wire(func(*http.Request) (*http.Response, error) {
		t.Error("asked")
		return nil, io.EOF
	}))
	_, err := c.Verify(ctx, webTicket())
	goneBefore.check(t, err)

	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = c.Verify(ctx, webTicket())
	neverArrived.check(t, err)
}

// A wrong answer that did arrive stays evidence, whoever has gone meanwhile.
func TestVerify_WrongAnswerCountsThoughTheCallerLeft(t *testing.T) {
	for name, answer := range map[string]*http.Response{
		"502": response(502, "bad gateway"), "garbage": response(200, "garbage"), "too long": response(200, strings.Repeat("x", 1<<20+1)),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			c := newClient(t, wire(func(*http.Request) (*http.Response, error) {
				cancel()
				return answer, nil
			}))
			_, err := c.Verify(ctx, webTicket())
			fault.check(t, err)
		})
	}
}

// A probe may be called off when its connection stands: then nothing is sent, or two
// probes could be on their way at once (C3).
func TestVerify_SendsNothingThatWasCalledOff(t *testing.T) {
	client, server := serve(t, pass)
	for _, fresh := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		call := &captcha.Call{Fresh: fresh, Deadline: time.Now().Add(time.Minute), Sent: cancel}
		_, err := client.Verify(call.Context(ctx), webTicket())
		if f := captcha.AsFailure(err); f == nil || f.Kind != captcha.Cancelled || f.FateUnknown {
			t.Errorf("fresh %v: %+v", fresh, f)
		}
	}
	if _, err := client.Verify(t.Context(), webTicket()); err != nil || server.calls.Load() != 1 {
		t.Errorf("%d calls reached the server, want the last one (error %v)", server.calls.Load(), err)
	}
}
