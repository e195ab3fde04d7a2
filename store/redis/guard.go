package redis

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"

	"captchagate/store"
)

// What one reply may be. The library makes room for as much as a reply announces, and goes
// as deep as its lists stand in each other; whoever answers in Redis's place could end the
// process with one line. What is asked for stays far below.
const (
	maxLine     = 64 << 10 // bytes of a line, such as an error or a number
	maxBulk     = 16 << 20 // bytes of a string; a value has store.MaxValue at most
	maxReply    = 64 << 20 // bytes of a reply
	maxElements = 1 << 20  // that are announced and have not come
	maxLists    = 1 << 17  // in a reply, and so in each other; a Cluster in 16,384 pieces tells 114,689
)

var errUnbelievable = errors.New("redis: the reply announces more than any to what is asked; is it a Redis that answers at this address?")

// dialer connects as the library does, with guards on what is read.
func dialer(at store.RedisAddress, patience time.Duration, secured *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: patience}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		switch {
		case at.Socket != "":
			return guarded(plain.DialContext(ctx, "unix", at.Socket))
		case secured != nil:
			return guarded((&tls.Dialer{NetDialer: plain, Config: secured}).DialContext(ctx, network, addr))
		default:
			return guarded(plain.DialContext(ctx, network, addr))
		}
	}
}

func guarded(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	g := &guard{Conn: conn}
	if raw, ok := conn.(syscall.Conn); ok { // the library looks whether it is alive
		return struct {
			*guard
			syscall.Conn
		}{g, raw}, nil
	}
	return g, nil
}

// guard follows replies as they are read, in RESP2 and RESP3, and fails the connection before
// the library sees a line that announces too much.
type guard struct {
	net.Conn
	line     []byte // its beginning, read in part
	payload  int    // bytes of a string that are still to come, with what ends it
	elements int    // of lists that are still to come
	lists    int    // of the reply under way
	size     int    // bytes of the reply under way
	refused  bool   // for good: the library asks again, and then ends the connection
}

func (g *guard) Read(p []byte) (int, error) {
	if g.refused {
		return 0, errUnbelievable
	}
	n, err := g.Conn.Read(p)
	if g.refused = !g.follow(p[:n]); g.refused {
		return 0, errUnbelievable
	}
	return n, err
}

// follow reports whether what comes may be believed.
func (g *guard) follow(came []byte) bool {
	for len(came) > 0 {
		took := min(g.payload, len(came))
		g.payload -= took
		if took == 0 {
			end := bytes.IndexByte(came, '\n')
			took = end + 1
			if end < 0 {
				took = len(came)
			}
			g.line = append(g.line, came[:took]...)
			if len(g.line) > maxLine || end >= 0 && !g.announces() {
				return false
			}
		}
		if g.size += took; g.size > maxReply {
			return false
		}
		came = came[took:]
		if g.payload == 0 && g.elements == 0 && len(g.line) == 0 {
			g.lists, g.size = 0, 0
		}
	}
	return true
}

// announces takes the whole line, and reports whether what it announces may come.
func (g *guard) announces() bool {
	line := bytes.TrimRight(g.line, "\r\n")
	g.line = g.line[:0]
	if g.elements > 0 {
		g.elements--
	}
	if len(line) == 0 || bytes.IndexByte([]byte("$=!*~>%|"), line[0]) < 0 {
		return true
	}
	n, err := strconv.Atoi(string(line[1:]))
	if err != nil || n < -1 {
		return false
	}
	if n < 0 { // none, and not even an empty one
		return true
	}
	switch line[0] {
	case '$', '=', '!':
		g.payload = n + len("\r\n")
		return n <= maxBulk
	case '%':
		n = min(n, maxElements) * 2
	case '|': // and what they are about
		n = min(n, maxElements)*2 + 1
	}
	g.elements, g.lists = g.elements+min(n, maxElements+1), g.lists+1
	return g.elements <= maxElements && g.lists <= maxLists
}
