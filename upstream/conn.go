package upstream

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"time"
)

// A conn is a connection to the API. It carries one call at a time, and its
// pool guards it between calls.
type conn struct {
	http *http.ClientConn
	pool *pool
	to   netip.AddrPort
	wire *wire

	generation int       // of the pool when it was made
	kept       bool      // it carried a call, or was idle, before
	answered   time.Time // when it last brought a good answer; zero where never
	idle       time.Time // since when it carries no call

	before int64       // written to the wire before its call
	heard  atomic.Bool // a byte of an answer to its call came
	trace  httptrace.ClientTrace
}

func newConn(p *pool, c *http.ClientConn, to *reached) *conn {
	n := &conn{http: c, pool: p, to: to.at, wire: to.wire}
	n.trace.GotFirstResponseByte = func() { n.heard.Store(true) }
	return n
}

// RoundTrip sends a request over the connection.
func (c *conn) RoundTrip(r *http.Request) (*http.Response, error) {
	c.heard.Store(false)
	c.before = c.wire.written.Load()
	return c.http.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), &c.trace)))
}

// wrote reports whether the request of its call went out. It may be asked once that failed.
func (c *conn) wrote() bool { return c.wire.written.Load()-c.before >= leastRequest }

// wasDead reports whether a call that failed met a connection that had been
// kept, and brought no byte: it may have been dead before.
func (c *conn) wasDead() bool { return c.kept && !c.heard.Load() }

// release gives the connection back after a call that ended so.
func (c *conn) release(e ending) { c.pool.put(c, e) }

// usable reports whether it can carry another call.
func (c *conn) usable() bool { return c.http.Available() > 0 }

// An ending is what a call's end says about its connection.
type ending int

const (
	cut     ending = iota // nothing: the call was given up
	good                  // an answer came, whatever it said about the ticket
	faulted               // the connection, or what is behind it, is ill
)

// A carrier carries one call.
type carrier interface {
	http.RoundTripper
	wrote() bool
	wasDead() bool
	release(e ending)
}

// A lent carrier is a transport that somebody gave us, for each call anew.
type lent struct{ http.RoundTripper }

func (lent) wrote() bool    { return true } // as far as anybody knows
func (lent) wasDead() bool  { return false }
func (lent) release(ending) {}

// Take returns the carrier itself.
func (l lent) take(context.Context, bool) (carrier, error) { return l, nil }
