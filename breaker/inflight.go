package breaker

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"captchagate/captcha"
)

// A call is one request's way through the breaker: one attempt at a time.
type call struct {
	generation *generation
	ticket     captcha.Ticket
	key        captcha.Key
	prefix     netip.Prefix
	deadline   time.Time
	released   atomic.Bool // the circuit opened while it waited
	excused    atomic.Bool // it stood because its connection was dead: it may be retried on credit

	// Of the request's own goroutine:
	reached bool   // an attempt went on the wire
	doubt   *doubt // whether the last attempt failed is for the next one to show; else nil

	// Guarded by inFlight.mu while in flight.
	started    time.Time
	sentAt     time.Time     // when it went on the wire; zero while it waits for a connection
	lagBefore  time.Duration // our own lag until then
	stood      time.Time     // when a probe found, while it was on the wire, that only connections may be dead
	unheard    time.Duration // at its end: for how long an answer would have been read
	told       bool          // siblings know that it stands
	cancel     context.CancelFunc
	prev, next *call
}

func newCall(t captcha.Ticket, g *generation, deadline time.Time) *call {
	return &call{generation: g, ticket: t, key: t.Key(), prefix: captcha.Network(t.UserIP), deadline: deadline}
}

// inFlight holds the calls in flight, oldest first. It takes our own lag off
// wherever it says how long something took.
type inFlight struct {
	max      int
	siblings Siblings

	mu         sync.Mutex
	n          int
	oldest     *call
	newest     *call
	lag        lag
	lastReturn time.Time // when any call came back
	excusedAt  time.Time // when calls were excused last
}

// excuseEvery is the shortest time between two excuses. Else an API that answers
// probes and nobody else would have every call repeated.
const excuseEvery = 10 * time.Second

// begin enters c, whose attempt cancel ends. ok is false if too many are in
// flight already; first is true if it is the only one.
func (f *inFlight) begin(c *call, cancel context.CancelFunc, now time.Time) (ok, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n >= f.max {
		return false, false
	}
	if f.n == 0 {
		f.lag.lastTick = now // nobody ticked while nothing was in flight
	}
	c.started, c.sentAt, c.stood, c.cancel = now, time.Time{}, time.Time{}, cancel
	c.prev, c.next = f.newest, nil
	if f.newest != nil {
		f.newest.next = c
	} else {
		f.oldest = c
	}
	f.newest = c
	f.n++
	return true, f.n == 1
}

// wired notes that c goes on the wire: from now on it can be late.
func (f *inFlight) wired(c *call, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.sentAt, c.lagBefore = now, f.lag.until(now)
}

// cameBack notes a sign of life that no call of a user brought.
func (f *inFlight) cameBack(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastReturn = now
}

// end takes c out. returned says that it came back by itself, and was not given
// up by its caller or by us. age is how long it was on the wire; lagged says
// that we ourselves lagged meanwhile.
func (f *inFlight) end(c *call, now time.Time, returned bool) (age time.Duration, lagged bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		f.oldest = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		f.newest = c.prev
	}
	c.prev, c.next = nil, nil
	f.n--
	f.tellEnded(c)
	if returned {
		f.lastReturn = now
	}
	if c.sentAt.IsZero() {
		return 0, false
	}
	c.unheard = f.lag.listening(now).Sub(c.sentAt)
	lag := f.lag.until(now) - c.lagBefore
	return now.Sub(c.sentAt) - lag, lag > 0
}

// tick says that we do not stand ourselves, and returns how many calls are in
// flight. It is to be called every tickEvery as long as there are any.
func (f *inFlight) tick(now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lag.tick(now)
	f.tellStanding(now)
	return f.n
}

// waiting is what the calls of a generation that are on the wire amount to.
type waiting struct {
	calls    int
	silence  time.Duration // how long none has come back
	older    int           // distinct tickets that wait for longer than was asked about
	prefixes int           // distinct address prefixes of those
}

// waiting looks at the calls of g, and at those older than minAge.
func (f *inFlight) waiting(g *generation, now time.Time, minAge time.Duration) (w waiting) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lag := f.lag.until(now)
	tickets, prefixes := map[captcha.Key]struct{}{}, map[netip.Prefix]struct{}{}
	for c := f.oldest; c != nil; c = c.next {
		if c.generation != g || c.sentAt.IsZero() {
			continue
		}
		ownLag := lag - c.lagBefore
		age := now.Sub(c.sentAt) - ownLag
		if w.calls == 0 {
			w.silence = min(age, now.Sub(f.lastReturn)-ownLag)
		}
		w.calls++
		if age > minAge {
			tickets[c.key] = struct{}{}
			prefixes[c.prefix] = struct{}{}
		}
	}
	w.older, w.prefixes = len(tickets), len(prefixes)
	return w
}

// standing counts the calls of g that were begun since then and have been on the
// wire for longer than minAge.
func (f *inFlight) standing(g *generation, since, now time.Time, minAge time.Duration) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lag := f.lag.until(now)
	for c := f.oldest; c != nil; c = c.next {
		if c.generation == g && !c.started.Before(since) && !c.sentAt.IsZero() && now.Sub(c.sentAt)-(lag-c.lagBefore) > minAge {
			n++
		}
	}
	return n
}

// ownLag is for how long this process stood still itself so far, while calls were
// in flight.
func (f *inFlight) ownLag(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == 0 {
		return f.lag.total // nobody ticks
	}
	return f.lag.until(now)
}

// hasTwin reports whether a call about the ticket that started before then is
// in flight.
func (f *inFlight) hasTwin(k captcha.Key, then time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := f.oldest; c != nil && c.started.Before(then); c = c.next {
		if c.key == k {
			return true
		}
	}
	return false
}

// release ends the waiting of every call of g.
func (f *inFlight) release(g *generation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := f.oldest; c != nil; c = c.next {
		if c.generation == g {
			c.released.Store(true)
			c.cancel()
		}
	}
}

// excuse has the calls that are on the wire retried on credit if the budget is
// spent, unless others were a short while ago. They are to stand because of their connections: a user whose ticket a fresh
// one would have verified is not to pay for that. Each gets one more try, and
// there are few of them, because none followed on these connections.
func (f *inFlight) excuse(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	credit := f.excusedAt.IsZero() || now.Sub(f.excusedAt) >= excuseEvery
	if credit {
		f.excusedAt = now
	}
	for c := f.oldest; c != nil; c = c.next {
		if !c.sentAt.IsZero() {
			c.stood = now
			c.excused.Store(credit || c.excused.Load())
		}
	}
}

func (f *inFlight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}
