package upstream_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"captchagate/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// serve starts a server and returns a client with a transport of its own.
func serve(t testing.TB, h http.HandlerFunc) (*upstream.Client, *server) {
	t.Helper()
	s := &server{closed: make(chan struct{}, 1)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.calls.Add(1)
		h(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.opened.Add(1)
		case http.StateClosed:
			select {
			case s.closed <- struct{}{}:
			default:
			}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return newClientAt(t, s.URL, nil, prometheus.NewRegistry()), s
}

type server struct {
	*httptest.Server

	calls, opened atomic.Int64
	closed        chan struct{} // holds one as soon as a connection was closed
}

func pass(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, passes) }
