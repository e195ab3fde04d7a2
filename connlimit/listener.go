package connlimit

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// sendBuffer is what the system may hold of answers that a caller does not read, in
// bytes. Linux would let it grow to 4 MB a connection, outside this process's memory.
const sendBuffer = 64 << 10

// A listener accepts as many connections as its limiter has room for.
type listener struct {
	net.Listener
	limiter *Limiter
}

// Accept waits for a connection and for room for it.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.limited()
	if err != nil {
		return nil, err
	}
	return &guarded{Conn: c, under: c}, nil
}

func (l *listener) limited() (*conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			if noDescriptor(err) && l.limiter.makeRoom() {
				continue
			}
			return nil, err
		}
		if tcp, ok := nc.(interface{ SetWriteBuffer(bytes int) error }); ok {
			_ = tcp.SetWriteBuffer(sendBuffer) // it fails on a connection that is gone
		}
		c, ok := l.limiter.add(nc)
		if !ok {
			_ = nc.Close()
			return nil, net.ErrClosed
		}
		return c, nil
	}
}

// Close wakes whoever waits for room.
func (l *listener) Close() error {
	l.limiter.close()
	return l.Listener.Close()
}

// noDescriptor reports whether this process or this machine has no descriptor
// left for a connection.
func noDescriptor(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// A body says when its rest is waited for, and when there is no more to come.
type body struct {
	io.ReadCloser
	conn  *conn
	whole bool // all of it was read, or can no longer be
}

func (b *body) Read(p []byte) (int, error) {
	if b.whole {
		return b.ReadCloser.Read(p)
	}
	b.conn.goesOn(receiving)
	n, err := b.ReadCloser.Read(p)
	if b.whole = err != nil; b.whole {
		b.conn.goesOn(busy)
	} else {
		b.conn.goesOn(handed)
	}
	return n, err
}
