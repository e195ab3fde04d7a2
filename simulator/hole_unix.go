//go:build unix

package simulator

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// dig makes an address a black hole.
func dig(address string) (*hole, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := shrink(l); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	filling, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", address)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &hole{listener: l, filling: filling}, nil
}

// shrink leaves one place in a listener's queue.
func shrink(l net.Listener) error {
	socket, ok := l.(syscall.Conn)
	if !ok {
		return errors.New("it is no socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var shrunk error
	err = raw.Control(func(fd uintptr) { shrunk = syscall.Listen(int(fd), 0) })
	return errors.Join(err, shrunk)
}
