// Package connlimit bounds the connections of an HTTP listener. Beyond the bound
// the connection that has been idle longest makes room for a new one, first of the
// address that holds most. One with a request that has arrived, even if the server
// has not read it yet, and is not answered is never cut.
package connlimit

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A Limiter bounds the connections of one listener. It is safe for concurrent
// use and needs no goroutine. A request takes none of its locks, but the first with
// a key on its connection: who makes room is searched for when there is none.
type Limiter struct {
	max      int
	prefixes []netip.Prefix // that are trusted
	born     time.Time

	mu     sync.Mutex
	room   *sync.Cond // there may be room again
	conns  []*conn
	extra  int // streams of connections beyond their first
	closed bool
	peers  map[peerName]*peer

	strangers, trusted class // of the peers
	candidates         candidates
	evictions          uint64

	pulse pulse
}

// New returns a Limiter of at most max connections. Those of the trusted
// addresses, which speak for many users, make room only if no others can.
func New(max int, trusted []netip.Prefix) *Limiter {
	l := &Limiter{max: max, prefixes: trusted, born: time.Now(), peers: map[peerName]*peer{}}
	l.strangers.holding, l.trusted.holding = map[int]int{}, map[int]int{}
	l.room = sync.NewCond(&l.mu)
	return l
}

// now is the age of the limiter in nanoseconds.
func (l *Limiter) now() int64 { return int64(time.Since(l.born)) }

// Open returns how many connections are open.
func (l *Limiter) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Serve serves h on s over inner until s is shut down. It takes over the hooks
// of s that tell of its connections. Where s has a TLSConfig it speaks TLS.
func (l *Limiter) Serve(s *http.Server, inner net.Listener, h http.Handler) error {
	s.Handler = l.handler(h)
	s.ConnState = l.changed
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, under(c))
	}
	limited := &listener{Listener: inner, limiter: l}
	if s.TLSConfig != nil {
		return s.Serve(newSealed(limited, s))
	}
	return s.Serve(limited)
}

type connKey struct{}

// handler tells when a request has wholly arrived: from then on its connection
// is not cut. If a handler leaves a body unread, the server waits for its rest.
func (l *Limiter) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		if !ok || c == nil {
			h.ServeHTTP(w, r)
			return
		}
		l.dropIfLeft(c)
		if r.ProtoMajor == 2 {
			l.serveStream(c, h, w, r)
			return
		}
		if r.Body == http.NoBody {
			c.goesOn(busy)
			h.ServeHTTP(w, r)
			return
		}
		b := &body{ReadCloser: r.Body, conn: c}
		r.Body = b
		h.ServeHTTP(w, r)
		if !b.whole {
			c.goesOn(receiving)
		}
	})
}

// changed follows a connection through the server's states.
func (l *Limiter) changed(nc net.Conn, to http.ConnState) {
	c := under(nc)
	if c == nil || to == http.StateNew { // it began when it was accepted
		return
	}
	switch to {
	case http.StateNew:
	case http.StateActive: // the head is whole
		c.goesOn(handed)
	case http.StateIdle:
		answered(nc)
		c.rests()
	case http.StateHijacked, http.StateClosed:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.remove(c)
	}
}

// add takes a new connection in, and waits until there is room for it. It
// returns false if the listener was closed meanwhile.
func (l *Limiter) add(nc net.Conn) (*conn, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.roomFor(func() bool { return l.closed }) {
		return nil, false
	}
	c := &conn{Conn: nc, peer: l.peer(l.nameOf(nc)), limit: l, place: len(l.conns)}
	c.rests()
	c.peer.holds(1)
	l.conns = append(l.conns, c)
	return c, true
}

// roomFor waits until there is room for one more, and returns false if over does first.
func (l *Limiter) roomFor(over func() bool) bool {
	began := l.now()
	for pause := grace / 16; len(l.conns)+l.extra >= l.max && !l.evict(began); pause = min(2*pause, grace) {
		if over() {
			return false
		}
		l.wait(pause)
	}
	return true
}

// wait waits until a connection ends, and for a pause at most: another may have
// become one that can be cut.
func (l *Limiter) wait(pause time.Duration) {
	again := time.AfterFunc(pause, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.room.Broadcast()
	})
	defer again.Stop()
	l.room.Wait()
}

// makeRoom closes one connection that may be cut, if there is one, and waits for
// nobody's turn.
func (l *Limiter) makeRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.evict(l.now() - int64(turn))
}

// evict closes the connection that is the first to make room for who waits since
// then. It returns false if every one has a request under way, or the first is in its
// grace or has yet to show what came on it: nobody else's is cut for it.
func (l *Limiter) evict(since int64) bool {
	l.evictions++
	for {
		e, ok := l.first(since)
		if !ok {
			return false
		}
		if !l.waitsFor(e.conn, e.word) {
			continue
		}
		if now := l.now(); e.word>>stateBits > now-int64(grace) && now < since+2*int64(grace) {
			return false
		}
		if !e.conn.word.CompareAndSwap(e.word, next(e.word, stateOf(e.word))) {
			continue // it went on meanwhile
		}
		_ = e.conn.Close() // wakes the server's read, which then lets go of it
		l.remove(e.conn)
		return true
	}
}

// waitsFor reports whether c, which had that word, truly waits for its caller.
// It does not if the server has yet to read what came, which is then a request
// begun, or if the caller takes what is sent.
func (l *Limiter) waitsFor(c *conn, word int64) bool {
	readable, writable := look(c.Conn)
	switch {
	case c.streamed.Load() && readable:
		c.seen = l.evictions // its server reads whatever comes, and then says what it is
		return false
	case stateOf(word) == sending && writable:
		c.seen = l.evictions
		return false
	case stateOf(word) != sending && readable:
		c.word.CompareAndSwap(word, next(word, begun))
		return false
	}
	return true
}

func (l *Limiter) remove(c *conn) {
	if c.place < 0 {
		return
	}
	last := len(l.conns) - 1
	l.conns[c.place] = l.conns[last]
	l.conns[c.place].place = c.place
	l.conns[last] = nil
	l.conns = l.conns[:last]
	c.place = -1
	for range max(1, c.streams) {
		l.leave(c.peer)
	}
	l.extra -= max(1, c.streams) - 1
	l.room.Signal()
}

// Vouch says that whoever asks on the connection that ctx came over has shown a
// key: like those of the trusted addresses it makes room only if no others can. If
// ctx came over no limited connection, nothing happens.
func Vouch(ctx context.Context) {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok || c == nil || c.vouched.Swap(true) {
		return
	}
	l := c.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place < 0 || c.peer.trusted {
		return
	}
	name := c.peer.peerName
	name.trusted = true
	l.moveTo(c, name)
}

func (l *Limiter) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.room.Broadcast()
}
