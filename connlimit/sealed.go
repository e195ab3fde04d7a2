package connlimit

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// handshakes is for how long a handshake may take.
const handshakes = 10 * time.Second

// A sealed listener hands connections to the server once they have shaken hands. The
// server would do that itself, but then nobody could look at heads of HTTP/1 in between.
type sealed struct {
	*listener

	config *tls.Config
	says   func(format string, args ...any) // what is for the server's log
	ready  chan net.Conn
	failed chan error
	open   context.Context //nolint:containedctx // ends with the listener
	shut   context.CancelFunc
}

func newSealed(l *listener, s *http.Server) *sealed {
	s.TLSConfig = s.TLSConfig.Clone()
	if len(s.TLSConfig.NextProtos) == 0 {
		s.TLSConfig.NextProtos = []string{"h2", "http/1.1"}
	}
	open, shut := context.WithCancel(context.Background())
	sealed := &sealed{listener: l, config: s.TLSConfig, says: func(string, ...any) {}, ready: make(chan net.Conn), failed: make(chan error), open: open, shut: shut}
	if s.ErrorLog != nil {
		sealed.says = s.ErrorLog.Printf
	}
	go sealed.accepts()
	return sealed
}

// Accept waits for a connection that has shaken hands.
func (s *sealed) Accept() (net.Conn, error) {
	select {
	case c := <-s.ready:
		return c, nil
	case err := <-s.failed:
		return nil, err
	case <-s.open.Done():
		return nil, net.ErrClosed
	}
}

// Close ends what has not shaken hands too.
func (s *sealed) Close() error {
	s.shut()
	return s.listener.Close()
}

func (s *sealed) accepts() {
	for s.open.Err() == nil {
		c, err := s.limited()
		if err == nil {
			go s.shakes(c)
			continue
		}
		select {
		case s.failed <- err: // the server waits a little before it asks for another
		case <-s.open.Done():
		}
	}
}

func (s *sealed) shakes(c *conn) {
	secure := tls.Server(c, s.config)
	ctx, cancel := context.WithTimeout(s.open, handshakes)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		s.parts(c, err)
		return
	}
	var served net.Conn = &secured{guarded{Conn: secure, under: c}}
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		c.streamed.Store(true)
		served = secure
	}
	select {
	case s.ready <- served:
	case <-s.open.Done():
		s.parts(c, net.ErrClosed)
	}
}

// parts lets go of a connection that the server has never seen.
func (s *sealed) parts(c *conn, why error) {
	if record, ok := errors.AsType[tls.RecordHeaderError](why); ok && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
		_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nThis listener speaks TLS: ask with https://\n")
	}
	s.says("no handshake: %v", why)
	_ = c.Close()
	c.limit.mu.Lock()
	defer c.limit.mu.Unlock()
	c.limit.remove(c)
}

// looksLikeHTTP reports whether a caller began with a request in the clear.
func looksLikeHTTP(record [5]byte) bool {
	switch string(record[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}
