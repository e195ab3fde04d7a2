package connlimit

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

// A guarded connection speaks HTTP/1; its heads are looked at before the server reads them.
type guarded struct {
	net.Conn // in the clear, or what TLS made of it

	under    *conn
	requests requests // only the server's goroutine touches it
}

// Read implements net.Conn.
func (g *guarded) Read(p []byte) (int, error) {
	if g.requests.why == "" {
		n, err := g.Conn.Read(p)
		good := g.requests.reads(p[:n])
		if g.requests.why == "" {
			return n, err
		}
		if good > 0 {
			return good, nil
		}
	}
	return 0, g.stops()
}

// stops ends the reading. A head that came with the request before is refused once that
// is answered; until then its caller may leave, or the server end the wait.
func (g *guarded) stops() error {
	if g.requests.why == brokenOff {
		return io.EOF
	}
	if g.requests.unanswered > 0 {
		if _, err := io.Copy(io.Discard, g.Conn); err != nil {
			return err
		}
		return io.EOF
	}
	g.refuse(g.requests.why)
	return io.EOF
}

const (
	// lingering is how long, and lingered how many bytes, a caller who was refused is
	// listened to: else the answer would be lost where more comes than was read.
	lingering = 500 * time.Millisecond
	lingered  = 1 << 20
)

func (g *guarded) refuse(why refusal) {
	_, _ = io.WriteString(g.Conn, "HTTP/1.1 "+string(why)+"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	_ = g.CloseWrite()
	_ = g.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.CopyN(io.Discard, g.Conn, lingered)
}

// CloseWrite has the other side know that no more comes; nothing is written behind it.
func (g *guarded) CloseWrite() error { return closeWrite(g.Conn) }

func closeWrite(nc net.Conn) error {
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// A secured connection is a guarded one over TLS; the server asks it for what was agreed
// on.
type secured struct{ guarded }

// ConnectionState is what http.Server puts into Request.TLS.
func (s *secured) ConnectionState() tls.ConnectionState {
	if t, ok := s.Conn.(*tls.Conn); ok {
		return t.ConnectionState()
	}
	return tls.ConnectionState{}
}
