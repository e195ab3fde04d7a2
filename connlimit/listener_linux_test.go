package connlimit_test

import (
	"net"
	"syscall"
	"testing"
)

// A remembering listener keeps what it accepted.
type remembering struct {
	net.Listener
	accepted chan net.Conn
}

func (r *remembering) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err == nil {
		r.accepted <- c
	}
	return c, err
}

// S10: what the system holds for a caller that does not read does not grow. Linux
// doubles what is asked for, for what it keeps about it.
func TestLimiter_BoundsWhatTheSystemHoldsForACaller(t *testing.T) {
	l := &remembering{accepted: make(chan net.Conn, 1)}
	d := openOver(t, 2, func(inner net.Listener) net.Listener { l.Listener = inner; return l })
	if c := d.from("127.0.0.1").send(get); !c.answered() {
		t.Fatal("no answer")
	}
	c, _ := (<-l.accepted).(*net.TCPConn)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	_ = raw.Control(func(fd uintptr) { size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF) })
	if err != nil || size > 2*64<<10 {
		t.Errorf("the system holds up to %d bytes for a caller (%v), want at most twice 64 KiB", size, err)
	}
}
