package upstream

import (
	"context"
	"time"
)

const (
	minAhead   = 2  // connections that stand though nobody calls
	maxAhead   = 32 // that are made ahead of the calls
	aheadEvery = time.Second
)

// run keeps a few connections standing until ctx ends: as many as calls needed
// at once lately, so that after a silence or a fault users need not wait for
// new ones.
func (p *pool) run(ctx context.Context) {
	tick := time.NewTicker(aheadEvery)
	defer tick.Stop()
	for {
		p.ahead(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ahead closes the connections that grew old and makes those that are missing,
// unless all addresses failed just now.
func (p *pool) ahead(now time.Time) {
	p.mu.Lock()
	defer p.unlock()
	p.drop(func(c *conn) bool { return p.old(c, now) })
	missing := min(max(p.peak, minAhead), maxAhead) - len(p.idle) - p.inUse - p.connecting
	p.peak = max(p.inUse, p.peak-1-p.peak/10)
	if p.dialer.addresses.avoided(now) {
		return
	}
	for range missing {
		p.connecting++
		go p.makeOne()
	}
}
