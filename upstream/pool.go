package upstream

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"captchagate/captcha"
)

const (
	maxIdle     = 25 * time.Second // under the usual 60 s and 75 s of servers, so that they rarely close first
	silentAfter = time.Second      // without an answer, a connection is not believed beside a fault
)

// A pool keeps connections to the API. The one that brought an answer last
// carries the next call, so that those which nobody needs grow old.
type pool struct {
	dialer    *dialer
	transport *http.Transport
	scheme    string
	hostPort  string
	limit     int // of connections, those being made included
	metrics   *metrics
	life      context.Context // ends with close, and what goes on in the background with it
	end       context.CancelFunc

	mu *sync.Mutex // the dialer's: it guards the addresses, and what follows

	idle       []*conn // the newest last
	waiting    []*waiter
	connecting int // for those who wait, or ahead
	inUse      int
	peak       int       // of inUse, lately
	generation int       // connections of an earlier one are not used again
	stood      time.Time // when a connection was last made, or brought an answer
}

// A waiter is a call that waits for a connection.
type waiter struct{ ready chan made }

// made is what came of a connection.
type made struct {
	conn *conn
	err  error
}

func newPool(endpoint *url.URL, maxInFlight int, m *metrics) *pool {
	life, end := context.WithCancel(context.Background())
	d := newDialer(life)
	port := endpoint.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[endpoint.Scheme]
	}
	return &pool{
		dialer: d, mu: &d.mu, transport: newTransport(endpoint.Scheme, d.DialContext),
		scheme: endpoint.Scheme, hostPort: net.JoinHostPort(endpoint.Hostname(), port),
		limit: maxInFlight + maxAhead, metrics: m, life: life, end: end,
	}
}

// take returns a connection for one call, to be released: a kept one, or the
// first that is free or made.
func (p *pool) take(ctx context.Context, fresh bool) (carrier, error) {
	if fresh {
		return p.takeFresh(ctx)
	}
	c, w, err := p.takeOrQueue()
	switch {
	case err != nil:
		return nil, err
	case w != nil:
		return p.wait(ctx, w)
	}
	return c, nil
}

// takeOrQueue gives a call a kept connection or else a place among those that
// wait.
func (p *pool) takeOrQueue() (*conn, *waiter, error) {
	p.mu.Lock()
	defer p.unlock()
	if c := p.pop(time.Now()); c != nil {
		p.use()
		return c, nil, nil
	}
	if p.inUse+p.connecting >= p.limit {
		return nil, nil, captcha.ErrFull
	}
	w := &waiter{ready: make(chan made, 1)}
	p.waiting = append(p.waiting, w)
	p.connect()
	return nil, w, nil
}

// unlock lets go of the lock, and tells how many connections there are then.
func (p *pool) unlock() {
	p.metrics.count(len(p.idle), p.inUse, p.connecting)
	p.mu.Unlock()
}

func (p *pool) wait(ctx context.Context, w *waiter) (carrier, error) {
	began := time.Now()
	select {
	case m := <-w.ready:
		if m.err != nil {
			return nil, m.err
		}
		return m.conn, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.unlock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else if m := <-w.ready; m.conn != nil {
		p.inUse--
		p.keep(m.conn)
	}
	return nil, p.late(ctx, began)
}

// put takes back a connection whose call ended so.
func (p *pool) put(c *conn, e ending) {
	p.mu.Lock()
	defer p.unlock()
	p.inUse--
	now := time.Now()
	switch e {
	case good:
		c.answered, p.stood = now, now
		p.dialer.addresses.get(c.to).answered(now)
	case faulted:
		p.distrust(c, now)
	case cut:
	}
	c.kept = true
	if e == faulted || c.generation != p.generation || !c.usable() {
		p.discard(c)
		return
	}
	p.keep(c)
}

// reset has every connection forgotten that stands now: those that
// carry calls end with them.
func (p *pool) reset() {
	p.mu.Lock()
	defer p.unlock()
	p.generation++
	p.drop(func(*conn) bool { return true })
}

// close ends what goes on in the background, and the connections that no call
// uses; the others end with their calls.
func (p *pool) close() {
	p.end()
	p.reset()
}

func (p *pool) status() []Address {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialer.addresses.status()
}

// The methods above take the lock (unlock lets go of it), those below are called
// with it held.

// use counts a connection that begins to carry a call.
func (p *pool) use() {
	p.inUse++
	p.peak = max(p.peak, p.inUse)
}

// pop returns the idle connection that was used last, if it can be used: one to
// an address that did not just fail, if there is any.
func (p *pool) pop(now time.Time) *conn {
	chosen := -1
	for i, c := range slices.Backward(p.idle) {
		if p.old(c, now) {
			continue
		}
		if well := !p.dialer.addresses.get(c.to).avoid.After(now); well || chosen < 0 {
			chosen = i
			if well {
				break
			}
		}
	}
	if chosen < 0 {
		p.drop(func(*conn) bool { return true }) // all are old
		return nil
	}
	c := p.idle[chosen]
	p.idle = slices.Delete(p.idle, chosen, chosen+1)
	c.kept = true
	return c
}

// keep gives an unused connection to whoever waits longest, or else keeps it.
func (p *pool) keep(c *conn) {
	if len(p.waiting) > 0 {
		p.use()
		p.waiting[0].ready <- made{conn: c}
		p.waiting = p.waiting[1:]
		return
	}
	c.idle = time.Now()
	p.idle = append(p.idle, c)
}

// discard closes a connection that carries no call.
func (p *pool) discard(c *conn) {
	p.dialer.addresses.get(c.to).connections--
	go func() { _ = c.http.Close() }() // it may take TLS a while
}

// distrust notes that a call over a connection met a fault, and closes the idle
// ones that brought no answer within the last second. Whatever has happened to
// that one may have happened to them: behind one address there may be several
// instances, and behind several one that forgot all flows.
func (p *pool) distrust(ill *conn, now time.Time) {
	p.dialer.addresses.get(ill.to).failed(now)
	p.drop(func(c *conn) bool { return now.Sub(c.answered) >= silentAfter })
}

// drop closes the idle connections of which that is true.
func (p *pool) drop(which func(*conn) bool) {
	p.idle = slices.DeleteFunc(p.idle, func(c *conn) bool {
		if which(c) {
			p.discard(c)
			return true
		}
		return false
	})
}

// old reports whether the API closed an idle connection, or will soon.
func (p *pool) old(c *conn, now time.Time) bool { return !c.usable() || now.Sub(c.idle) >= maxIdle }
