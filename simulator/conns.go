package simulator

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
)

// connState is what is known of an open connection. One whose last request went
// to the controls is kept when connections are refused, so that the fault can be
// lifted.
type connState struct {
	listener *listener
	n        int // it is the n-th, from 0
	control  atomic.Bool
}

type connKey struct{}

// connOf is the connection that a request came on, nil if it is not one of ours.
func connOf(r *http.Request) *connState {
	c, _ := r.Context().Value(connKey{}).(*connState)
	return c
}

func (l *listener) openConns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// connContext lets handlers find the connection that a request came on.
func (l *listener) connContext(ctx context.Context, conn net.Conn) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return context.WithValue(ctx, connKey{}, l.conns[under(conn)])
}

// untrack forgets a connection that was closed.
func (l *listener) untrack(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, under(conn))
}
