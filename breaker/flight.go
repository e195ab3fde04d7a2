package breaker

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"captchagate/captcha"
)

// A call is one request's way through the breaker: one attempt at a time.
type call struct {
	life     *life
	ticket   captcha.Ticket
	key      captcha.Key
	prefix   netip.Prefix
	sent     int         // attempts made
	released atomic.Bool // the circuit opened while it waited

	// Guarded by flight.mu while in flight.
	start      time.Time
	lag        time.Duration // flight.lag when it started
	cancel     context.CancelFunc
	prev, next *call
}

// prefixOf is the neighbourhood of an address: who has one address of it may
// well have them all.
func prefixOf(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap()
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	p, _ := ip.Prefix(bits)
	return p
}

const (
	// tickEvery is how often the calls in flight are looked at.
	tickEvery = 10 * time.Millisecond
	// tickLate is the gap between two looks from which on this process was
	// standing itself: stopped, starved or collecting garbage.
	tickLate = 3 * tickEvery
	// latencies is how many recent answers tell what latency is usual.
	latencies = 256
)

// flight holds the calls in flight, oldest first, and what recent ones took.
type flight struct {
	most int

	mu       sync.Mutex
	n        int
	head     *call // oldest
	tail     *call
	lastBack time.Time     // when any call came back
	lastTick time.Time     // when they were last looked at
	lag      time.Duration // sum of our own standing so far

	recent [latencies]time.Duration
	seen   int
}

func newFlight(most int) *flight { return &flight{most: most} }

// begin enters c; ok is false where too many are in flight already, first is
// true where it is the only one.
func (f *flight) begin(c *call, cancel context.CancelFunc, now time.Time) (ok, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n >= f.most {
		return false, false
	}
	if f.n == 0 {
		f.lastTick = now
	}
	c.start, c.cancel = now, cancel
	c.lag = f.lag + f.pendingLag(now)
	c.prev, c.next = f.tail, nil
	if f.tail != nil {
		f.tail.next = c
	} else {
		f.head = c
	}
	f.tail = c
	f.n++
	return true, f.n == 1
}

// end takes c out. back says that it came back by itself, and was not given up
// by its caller or by us. age is how long it was in flight, less our own lag;
// lagged says that there was some.
func (f *flight) end(c *call, now time.Time, back bool) (age time.Duration, lagged bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		f.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		f.tail = c.prev
	}
	c.prev, c.next = nil, nil
	f.n--
	if back {
		f.lastBack = now
	}
	lag := f.lag + f.pendingLag(now) - c.lag
	return now.Sub(c.start) - lag, lag > 0
}

// pendingLag is lag that no tick has booked yet.
func (f *flight) pendingLag(now time.Time) time.Duration {
	if gap := now.Sub(f.lastTick); gap > tickLate {
		return gap - tickEvery
	}
	return 0
}

// tick books our own lag and returns how many calls are in flight.
func (f *flight) tick(now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lag += f.pendingLag(now)
	f.lastTick = now
	return f.n
}

// latency remembers what a definite answer took.
func (f *flight) latency(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent[f.seen%latencies] = d
	f.seen++
}

// quantiles returns recent latencies at the given shares; ok is false where
// nothing was answered yet.
func (f *flight) quantiles(shares ...float64) (qs []time.Duration, ok bool) {
	f.mu.Lock()
	recent := slices.Clone(f.recent[:min(f.seen, latencies)])
	f.mu.Unlock()
	qs = make([]time.Duration, len(shares))
	if len(recent) == 0 {
		return qs, false
	}
	slices.Sort(recent)
	for i, share := range shares {
		qs[i] = recent[min(int(share*float64(len(recent))), len(recent)-1)]
	}
	return qs, true
}

// silence is how long nothing has come back although calls of l wait, and
// older counts the tickets of those that have waited for longer than than, with
// the prefixes that they come from. Our own lag is taken off everywhere.
func (f *flight) silence(l *life, now time.Time, than time.Duration) (silence time.Duration, older, waiting, prefixes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lag := f.lag + f.pendingLag(now)
	seen, tickets := map[netip.Prefix]struct{}{}, map[captcha.Key]struct{}{}
	for c := f.head; c != nil; c = c.next {
		if c.life != l {
			continue
		}
		age := now.Sub(c.start) - (lag - c.lag)
		if waiting == 0 {
			silence = age
			if since := now.Sub(f.lastBack) - (lag - c.lag); since < silence {
				silence = since
			}
		}
		waiting++
		if age > than {
			tickets[c.key] = struct{}{}
			seen[c.prefix] = struct{}{}
		}
	}
	return silence, len(tickets), waiting, len(seen)
}

// about reports whether a call about the ticket that started before then is in
// flight.
func (f *flight) about(k captcha.Key, then time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := f.head; c != nil; c = c.next {
		if !c.start.Before(then) {
			return false
		}
		if c.key == k {
			return true
		}
	}
	return false
}

// release ends the waiting of every call of l.
func (f *flight) release(l *life) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := f.head; c != nil; c = c.next {
		if c.life == l {
			c.released.Store(true)
			c.cancel()
		}
	}
}

func (f *flight) inFlight() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}
