package connlimit

import (
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// standstill is how long after a beat no other came if the process stood still: three
	// of them are missing.
	standstill = 3 * time.Second
	// aftermath is how long after one the requests are worked off that came meanwhile.
	aftermath = 10 * time.Second
)

// A pulse notices that the process stood still: it was stopped, or its machine was.
// Who asked meanwhile may have left long ago; asking the API about them would cost those
// who wait.
type pulse struct {
	beat  atomic.Int64 // the last one, by the age of the limiter; 0 = none yet
	until atomic.Int64 // of the aftermath
	left  atomic.Int64 // requests that were dropped since the last beat
}

// Beat tells the limiter once a second that the process lives. It returns for how long
// the process had stood still, if it had, and how many requests were dropped since the
// last beat because their callers had left by then.
func (l *Limiter) Beat() (stood time.Duration, left int64) {
	now := max(l.now(), 1)
	if last := l.pulse.beat.Swap(now); last > 0 && now-last >= int64(standstill) {
		stood = time.Duration(now - last)
		l.pulse.until.Store(now + int64(aftermath))
	}
	return stood, l.pulse.left.Swap(0)
}

// inAftermath reports whether what is read now may have come while the process stood
// still, also if it has not had time for a beat since.
func (l *Limiter) inAftermath() bool {
	last, now := l.pulse.beat.Load(), l.now()
	return last > 0 && (now < l.pulse.until.Load() || now-last >= int64(standstill))
}

// dropIfLeft ends a request without an answer if the process stood still and its caller
// has left meanwhile.
func (l *Limiter) dropIfLeft(c *conn) {
	if l.inAftermath() && hasLeft(c.Conn) {
		l.pulse.left.Add(1)
		panic(http.ErrAbortHandler) // net/http closes the connection, and says nothing
	}
}
