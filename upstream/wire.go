package upstream

import (
	"net"
	"sync/atomic"
)

// A wire is a connection that knows how much was written to it. What its transport took
// may never be: a call that is given up in time closes its connection before.
type wire struct {
	net.Conn

	written atomic.Int64
}

// Write counts what the system took.
func (w *wire) Write(p []byte) (n int, err error) {
	n, err = w.Conn.Write(p)
	w.written.Add(int64(n))
	return n, err
}

// leastRequest is shorter than any request, in bytes, and longer than what TLS says when its
// connection is closed.
const leastRequest = 64
