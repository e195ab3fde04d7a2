package connlimit

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
)

// Over HTTP/2 a connection carries many requests at once, its streams. Each beyond the
// first counts as a connection of its peer's, so that nobody holds more in few connections
// than in many. A connection is not cut while any of them has arrived and is not answered.

// under returns the connection of a limiter below what the server was given, nil if there
// is none.
func under(nc net.Conn) *conn {
	switch nc := nc.(type) {
	case *guarded:
		return nc.under
	case *secured:
		return nc.under
	case *tls.Conn:
		c, _ := nc.NetConn().(*conn)
		return c
	}
	return nil
}

// answered notes on a connection over HTTP/1 that a request was answered.
func answered(nc net.Conn) {
	switch nc := nc.(type) {
	case *guarded:
		nc.requests.unanswered--
	case *secured:
		nc.requests.unanswered--
	}
}

// stays notes that there is news on a connection with streams.
func (c *conn) stays() { c.word.Store(c.limit.now()<<stateBits | int64(handed)) }

// arrives counts requests that have arrived and are not answered, one more or less.
func (c *conn) arrives(more int32) {
	c.arrived.Add(more)
	c.stays()
}

// cuttable reports whether c may make room in the state of word.
func (c *conn) cuttable(word int64) bool {
	s := stateOf(word)
	return c.arrived.Load() == 0 && (s < begun || s == handed && c.streamed.Load())
}

// serveStream serves a request of a connection that carries several.
func (l *Limiter) serveStream(c *conn, h http.Handler, w http.ResponseWriter, r *http.Request) {
	if !l.enter(r.Context(), c) {
		panic(http.ErrAbortHandler) // it was cut, or its caller left
	}
	defer l.exit(c)
	whole := &atomic.Bool{}
	arrive := func() {
		if whole.CompareAndSwap(false, true) {
			c.arrives(1)
		}
	}
	defer func() {
		if whole.Load() {
			c.arrives(-1)
		}
	}()
	if r.Body == http.NoBody {
		arrive()
	} else {
		r.Body = &streamBody{r.Body, arrive}
	}
	h.ServeHTTP(&streamWriter{w, c, whole}, r)
}

// enter takes a stream in once there is room for it. It returns false if the connection
// was cut meanwhile, or its caller left.
func (l *Limiter) enter(ctx context.Context, c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := func() bool { return c.place < 0 || ctx.Err() != nil }
	if c.streams > 0 && !l.roomFor(gone) || gone() {
		return false
	}
	if c.streams++; c.streams > 1 {
		c.peer.holds(1)
		l.extra++
	}
	return true
}

func (l *Limiter) exit(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.streams--; c.streams > 0 && c.place >= 0 {
		l.extra--
		l.leave(c.peer)
		l.room.Signal()
	}
}

// moveTo has a connection and its streams count as another peer's.
func (l *Limiter) moveTo(c *conn, name peerName) {
	to := l.peer(name)
	for range max(1, c.streams) {
		l.leave(c.peer)
		to.holds(1)
	}
	c.peer = to
}

// A streamBody says when there is no more of a request to come.
type streamBody struct {
	body interface {
		Read(p []byte) (int, error)
		Close() error
	}
	whole func()
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil {
		b.whole()
	}
	return n, err
}

func (b *streamBody) Close() error { return b.body.Close() }

// A streamWriter lets its connection make room while a part of an answer waits for its
// reader.
type streamWriter struct {
	http.ResponseWriter
	conn  *conn
	whole *atomic.Bool
}

func (w *streamWriter) Write(p []byte) (int, error) {
	defer w.waits()()
	return w.ResponseWriter.Write(p)
}

// Flush sends what was written so far.
func (w *streamWriter) Flush() {
	defer w.waits()()
	_ = http.NewResponseController(w.ResponseWriter).Flush() // whoever is gone is noticed by the next Write
}

// Unwrap is for http.ResponseController.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *streamWriter) waits() (over func()) {
	if !w.whole.Load() {
		return func() {}
	}
	w.conn.arrives(-1)
	return func() { w.conn.arrives(1) }
}
