package simulator

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A flow is the API's end of a connection, with the road that leads there: how
// long a round trip takes, and whether what is on the way has forgotten it.
type flow struct {
	*net.TCPConn

	trip      time.Duration // there and back
	begun     bool          // something was read
	heard     time.Time     // when something was read last
	turned    atomic.Bool   // it was our turn to speak last
	forgotten atomic.Bool   // as a NAT forgets: nothing comes through, and nobody is told
}

func newFlow(conn *net.TCPConn, trip time.Duration) *flow {
	f := &flow{TCPConn: conn, trip: trip}
	f.turned.Store(true)
	return f
}

// Read takes a round trip whenever the other side answers us or speaks again
// after a silence, and one more at the beginning, for connecting. That is what a client waits for, wherever the
// time is spent on a real road.
func (f *flow) Read(p []byte) (int, error) {
	for {
		n, err := f.TCPConn.Read(p)
		if f.forgotten.Load() && err == nil {
			continue
		}
		if n > 0 && f.trip > 0 {
			f.travel()
		}
		return n, err
	}
}

func (f *flow) travel() {
	if !f.turned.Swap(false) && time.Since(f.heard) <= f.trip {
		return // what follows at once travels with what was read before
	}
	trips := f.trip
	if !f.begun {
		f.begun, trips = true, 2*f.trip
	}
	pause(context.Background(), trips)
	f.heard = time.Now()
}

func (f *flow) Write(p []byte) (int, error) {
	if f.forgotten.Load() {
		return len(p), nil
	}
	f.turned.Store(true)
	return f.TCPConn.Write(p)
}

// Close of a flow that was forgotten is not heard by the other side either: the
// connection goes once that side has closed it.
func (f *flow) Close() error {
	if !f.forgotten.Load() {
		return f.TCPConn.Close()
	}
	_ = f.SetReadDeadline(time.Now().Add(hangLimit)) // a failure ends the wait sooner
	go func() {
		_, _ = io.Copy(io.Discard, f.TCPConn)
		_ = f.TCPConn.Close()
	}()
	return nil
}

// under is the flow below a connection, which may be TLS's.
func under(conn net.Conn) net.Conn {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return over.NetConn()
	}
	return conn
}
