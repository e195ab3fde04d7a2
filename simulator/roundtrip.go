package simulator

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// RoundTrip implements http.RoundTripper: the simulator in process, without a
// socket, so that tests can move time. Whatever host a request names, it comes
// here; each is a connection of its own. Faults of the connection come back as
// the errors that net gives, and nothing is left running when a request's
// context has ended.
func (s *Simulator) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, context.Cause(r.Context())
	}
	if !isCall(r) {
		return s.roundTripControl(r)
	}
	if fault := s.current(time.Now()); fault.kind == Refuse && fault.hits(1, 0) && s.random.chance(fault.share) {
		s.stats.refuse()
		return nil, wireError("dial", "connect", syscall.ECONNREFUSED)
	}
	out, err := s.answer(r.Context(), r, transport{accepted: true, address: 1, n: int(s.calls.Add(1))})
	switch {
	case err != nil:
		return nil, err
	case out.ending == wasReset:
		return nil, wireError("read", "read", syscall.ECONNRESET)
	}
	body := io.Reader(bytes.NewReader(out.body))
	if out.ending == truncated {
		body = io.MultiReader(bytes.NewReader(out.body[:len(out.body)/2]), brokenOff{})
	}
	header := http.Header{"Content-Type": {out.kind}}
	if out.retryAfter > 0 {
		header.Set("Retry-After", uintText(uint64(out.retryAfter/time.Second)))
	}
	return respond(r, out.status, header, int64(len(out.body)), body), nil
}

func wireError(op, call string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(call, errno)}
}

// brokenOff is what a reader meets if the connection closed early.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func respond(r *http.Request, status int, header http.Header, length int64, body io.Reader) *http.Response {
	header.Set("Server", serverName)
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(body), ContentLength: length, Request: r,
	}
}

// roundTripControl serves controls and pages in process.
func (s *Simulator) roundTripControl(r *http.Request) (resp *http.Response, err error) {
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = hostOf(r), r.URL.RequestURI()
	if in.Method == "" {
		in.Method = http.MethodGet
	}
	if in.URL.Path == "" {
		in.URL.Path = "/"
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	out := &written{header: http.Header{}, status: http.StatusOK}
	defer func() {
		switch broke := recover(); broke {
		case nil:
		case http.ErrAbortHandler: // how a handler says that the connection goes down
			if resp, err = nil, context.Cause(r.Context()); err == nil {
				err = wireError("read", "read", syscall.ECONNRESET)
			}
		default:
			panic(broke)
		}
	}()
	s.ServeHTTP(out, in)
	return respond(r, out.status, out.header, int64(out.body.Len()), &out.body), nil
}

// written is a response kept in memory.
type written struct {
	header http.Header
	status int
	begun  bool
	body   bytes.Buffer
}

func (w *written) Header() http.Header { return w.header }

func (w *written) WriteHeader(status int) {
	if !w.begun {
		w.status, w.begun = status, true
	}
}

func (w *written) Write(p []byte) (int, error) {
	w.begun = true
	return w.body.Write(p)
}
