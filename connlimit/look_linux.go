package connlimit

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// look asks the system, without waiting, whether bytes of a caller that is still
// there wait to be read, and whether more can be written. Of a connection without
// a descriptor it says neither.
func look(nc net.Conn) (readable, writable bool) {
	came := poll(nc, unix.POLLIN|unix.POLLOUT|unix.POLLRDHUP)
	if came&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
		return false, false
	}
	return came&unix.POLLIN != 0 && came&unix.POLLRDHUP == 0, came&unix.POLLOUT != 0
}

// hasLeft reports whether a caller has closed its side, also if bytes of it have yet to
// be read.
func hasLeft(nc net.Conn) bool {
	return poll(nc, unix.POLLRDHUP)&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}

// poll returns which of the events have come, without waiting.
func poll(nc net.Conn, events int16) (came int16) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		of := []unix.PollFd{{Fd: int32(fd), Events: events}}
		_, err = unix.Poll(of, 0)
		for errors.Is(err, unix.EINTR) {
			_, err = unix.Poll(of, 0)
		}
		came = of[0].Revents
	})
	return came
}
