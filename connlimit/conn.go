package connlimit

import (
	"net"
	"sync/atomic"
	"time"
)

// A state is how far a connection's request has come.
type state int64

const (
	idle      state = iota // no byte of a request yet, or of the next one
	receiving              // the server waits for the rest of a request
	sending                // a part of an answer is being written
	begun                  // bytes of a request have come, and the server has not asked for more
	handed                 // its head has come, and the handler has not asked for more
	busy                   // its request has arrived and is not answered yet: it is not cut
)

// stateBits of a conn's word are its state. The rest is since when: nanoseconds of
// its limiter's life, and one more for each change, so that no two words are alike.
const (
	stateBits = 3
	stateMask = 1<<stateBits - 1
)

// A conn is one connection that was accepted. Its word is written without a lock:
// the server has one goroutine that moves a connection on, and one that waits for
// the caller's leaving.
type conn struct {
	net.Conn
	limit   *Limiter
	word    atomic.Int64
	rested  atomic.Int64 // when it was last without a request, by now
	vouched atomic.Bool  // its caller has shown a key

	streamed atomic.Bool  // it speaks HTTP/2
	arrived  atomic.Int32 // requests over HTTP/2 that have wholly arrived and are not answered

	// Under the limiter's lock:
	peer    *peer
	place   int    // among the limiter's; -1 once it is gone
	seen    uint64 // the eviction that last found it to be no choice
	streams int    // requests under way over HTTP/2
}

func stateOf(word int64) state { return state(word & stateMask) }

// rests puts it into the state idle from now on.
func (c *conn) rests() {
	now := c.limit.now()
	c.rested.Store(now)
	c.word.Store(now<<stateBits | int64(idle))
}

// goesOn puts it into a state whose time began with the one before.
func (c *conn) goesOn(s state) { c.word.Store(next(c.word.Load(), s)) }

func next(word int64, s state) int64 { return (word | stateMask) + 1 + int64(s) }

// Read waits for bytes of a request. It changes nothing once the request was
// handed over: then it waits for the caller's leaving only.
func (c *conn) Read(p []byte) (int, error) {
	if w := c.word.Load(); stateOf(w) == begun {
		c.word.CompareAndSwap(w, next(w, receiving))
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		w := c.word.Load()
		if stateOf(w) == idle {
			c.word.CompareAndSwap(w, c.limit.now()<<stateBits|int64(begun))
		} else if stateOf(w) == receiving {
			c.word.CompareAndSwap(w, next(w, begun))
		}
	}
	return n, err
}

// Write sends a part of an answer. While that waits for its reader the connection
// may make room: whoever does not read would else hold it for long.
func (c *conn) Write(p []byte) (int, error) {
	if c.streamed.Load() {
		return c.Conn.Write(p)
	}
	before := stateOf(c.word.Load())
	c.goesOn(sending)
	defer c.goesOn(before)
	return c.Conn.Write(p)
}

// CloseWrite ends what is sent.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

// grace is how long a connection is let be before it counts as idle, or as one
// that sends or reads nothing: who connects needs a moment to send.
const grace = 10 * time.Millisecond

// turn is for how long at most a newcomer waits for the server to get round to what
// has come of those who would make room first: it may be half a request.
const turn = time.Second
