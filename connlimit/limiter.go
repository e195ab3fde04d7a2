// Package connlimit bounds the connections of an HTTP listener. Beyond the bound
// the connection that has been idle longest makes room for a new one, first of the
// address that holds most. One whose request has arrived and is not answered yet is
// never cut.
package connlimit

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"captchagate/captcha"
)

// A Limiter bounds the connections of one listener. It is safe for concurrent
// use and needs no goroutine.
type Limiter struct {
	max     int
	trusted []netip.Prefix

	mu     sync.Mutex
	room   *sync.Cond // there may be room again
	open   int
	moves  uint64
	closed bool
	peers  peers
	byName map[netip.Prefix]*peer
}

// New returns a Limiter of at most max connections. Those of the trusted
// addresses, which speak for many users, make room only if no others can.
func New(max int, trusted []netip.Prefix) *Limiter {
	l := &Limiter{max: max, trusted: trusted, byName: map[netip.Prefix]*peer{}}
	l.room = sync.NewCond(&l.mu)
	return l
}

// Open returns how many connections are open.
func (l *Limiter) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Serve serves h on s over inner until s is shut down. It takes over the hooks
// of s that tell of its connections.
func (l *Limiter) Serve(s *http.Server, inner net.Listener, h http.Handler) error {
	s.Handler = l.handler(h)
	s.ConnState = l.changed
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	return s.Serve(&listener{Listener: inner, limiter: l})
}

type connKey struct{}

// handler tells when a request has wholly arrived: from then on its connection
// is not cut.
func (l *Limiter) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			if r.Body == http.NoBody {
				l.arrived(c)
			} else {
				r.Body = &body{ReadCloser: r.Body, end: func() { l.arrived(c) }}
			}
		}
		h.ServeHTTP(w, r)
	})
}

// changed follows a connection through the server's states.
func (l *Limiter) changed(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateNew: // counted when it was accepted
	case http.StateActive:
		l.move(c, receiving)
	case http.StateIdle:
		l.move(c, idle)
	case http.StateHijacked, http.StateClosed:
		l.remove(c)
	}
}

func (l *Limiter) arrived(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.move(c, busy)
}

// sends notes that an answer is being sent, and returns the state before.
func (l *Limiter) sends(c *conn) state {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := c.state
	l.move(c, sending)
	return before
}

// sent ends sends, unless the server has moved the connection on.
func (l *Limiter) sent(c *conn, before state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.state == sending {
		l.move(c, before)
	}
}

// add takes a new connection in, and waits until there is room for it. It
// returns false if the listener was closed meanwhile.
func (l *Limiter) add(nc net.Conn) (*conn, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.open >= l.max && !l.evict() {
		if l.closed {
			return nil, false
		}
		l.room.Wait()
	}
	c := &conn{Conn: nc, peer: l.peerOf(nc), limit: l}
	c.peer.open++
	l.open++
	l.move(c, idle)
	return c, true
}

// makeRoom closes one connection that may be cut, if there is one.
func (l *Limiter) makeRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.evict()
}

// evict closes the connection that is the first to make room. It returns false
// if every one has a request under way.
func (l *Limiter) evict() bool {
	if len(l.peers) == 0 {
		return false
	}
	c := l.peers[0].first()
	_ = c.Close() // wakes the server's read, which then lets go of it
	l.remove(c)
	return true
}

// move puts a connection into another state.
func (l *Limiter) move(c *conn, to state) {
	if c.gone {
		return
	}
	c.peer.take(c)
	l.moves++
	c.state, c.since = to, l.moves
	c.peer.put(c)
	l.peers.update(c.peer)
	if to != busy {
		l.room.Signal()
	}
}

func (l *Limiter) remove(c *conn) {
	if c.gone {
		return
	}
	c.peer.take(c)
	c.gone = true
	c.peer.open--
	l.open--
	l.peers.update(c.peer)
	if c.peer.open == 0 {
		delete(l.byName, c.peer.name)
	}
	l.room.Signal()
}

// peerOf returns who is at the other end: the household of its address.
func (l *Limiter) peerOf(nc net.Conn) *peer {
	var ip netip.Addr
	if at, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		ip = at.Addr().Unmap()
	}
	name := captcha.Household(ip)
	p := l.byName[name]
	if p == nil {
		trusted := slices.ContainsFunc(l.trusted, func(t netip.Prefix) bool { return t.Contains(ip) })
		p = &peer{name: name, trusted: trusted, index: -1}
		l.byName[name] = p
	}
	return p
}

func (l *Limiter) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.room.Broadcast()
}
