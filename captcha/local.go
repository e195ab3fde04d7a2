package captcha

import (
	"errors"
	"net"
	"strings"
	"syscall"
)

// ErrFull says that as many connections are open as may be.
var ErrFull = errors.New("as many connections are open as may be")

// localTroubles are the errors that speak of this host and not of whom it
// called, and their kinds.
var localTroubles = []struct {
	err  error
	kind string
}{
	{syscall.EMFILE, "descriptors"},
	{syscall.ENFILE, "descriptors"},
	{syscall.EADDRNOTAVAIL, "ports"},
	{syscall.ENOBUFS, "memory"},
	{syscall.ENOMEM, "memory"},
	{ErrFull, "pool"},
}

// LocalTroubleKinds are the kinds that LocalTrouble gives.
var LocalTroubleKinds = []string{"descriptors", "ports", "memory", "pool"}

// LocalTrouble reports whether err is trouble of this host's own, which says
// nothing about whom it called, and its kind: descriptors, ports, memory or
// pool.
func LocalTrouble(err error) (kind string, ok bool) {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	for _, t := range localTroubles {
		// The resolver keeps only the text of what stopped it.
		if errors.Is(err, t.err) || isDNS && strings.Contains(dns.Err, t.err.Error()) {
			return t.kind, true
		}
	}
	return "", false
}
