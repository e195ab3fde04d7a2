package connlimit

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"time"
)

// maxLines is how many lines a head may have. The server makes of a short field
// more than ten times the bytes that it was sent with.
const maxLines = 100

// A head is what came of a request's head over HTTP/1. The server is lenient with what
// proxies read in another way, and with that a request can be hidden in another's: such
// heads are refused before it sees them.
type head struct {
	lines          int
	begins         [len("transfer-encoding:")]byte // of a line that came in part
	long           int                             // of that line, in bytes
	last           byte                            // of that line
	sized, chunked bool                            // by a length, by its chunks
	over           bool
}

// refusal is why a head is refused; "" = it is not.
type refusal string

const (
	tooManyLines refusal = "431 Request Header Fields Too Large"
	readTwoWays  refusal = "400 Bad Request"
)

// reads takes what came next.
func (h *head) reads(came []byte) (why refusal) {
	for why == "" && len(came) > 0 && !h.over {
		line, rest, whole := bytes.Cut(came, []byte("\n"))
		if h.long < len(h.begins) {
			copy(h.begins[h.long:], line)
		}
		if h.long += len(line); len(line) > 0 {
			h.last = line[len(line)-1]
		}
		if came = rest; whole {
			why = h.ends()
		}
	}
	return why
}

// ends judges a line. What precedes the first one that is seen whole may have been read
// together with the request before, so that nothing is said of its beginning.
func (h *head) ends() refusal {
	begins, first := h.begins[:min(h.long, len(h.begins))], h.lines == 0
	blank, bare := h.long == 1 && h.last == '\r', h.long == 0 || h.last != '\r'
	h.lines, h.long, h.last = h.lines+1, 0, 0
	switch {
	case blank:
		h.over = true
	case first:
	case bare, begins[0] == ' ', begins[0] == '\t':
		return readTwoWays
	case h.lines > maxLines:
		return tooManyLines
	}
	h.sized = h.sized || named(begins, "content-length:")
	h.chunked = h.chunked || named(begins, "transfer-encoding:")
	if h.sized && h.chunked {
		return readTwoWays
	}
	return ""
}

func named(line []byte, field string) bool {
	return len(line) >= len(field) && strings.EqualFold(string(line[:len(field)]), field)
}

// A guarded connection speaks HTTP/1; its heads are looked at before the server reads them.
type guarded struct {
	net.Conn // in the clear, or what TLS made of it

	under *conn
	head  head // only the server's goroutine touches it
}

// Read implements net.Conn.
func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if why := g.head.reads(p[:n]); why != "" {
		g.refuse(why)
		return 0, io.EOF
	}
	return n, err
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

// CloseWrite has the other side know that no more comes.
func (g *guarded) CloseWrite() error {
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
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
