package connlimit

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// A listener accepts as many connections as its limiter has room for.
type listener struct {
	net.Listener
	limiter *Limiter
}

// Accept waits for a connection and for room for it.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			if noDescriptor(err) && l.limiter.makeRoom() {
				continue
			}
			return nil, err
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

// A body calls end once when all of it was read, or can no longer be.
type body struct {
	io.ReadCloser
	end  func()
	once sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.once.Do(b.end)
	}
	return n, err
}
