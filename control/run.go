package control

import (
	"context"
	"sync"
	"time"
)

// tick is the longest that Run waits: the clock may be set, and followers count
// on being told.
const tick = time.Second

// Run notices what is over, and writes the audit, until ctx ends; then it
// writes what still waits, within a second.
func (c *Control) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { c.writeAudit(ctx) })
	for ctx.Err() == nil {
		c.expire(ctx)
		c.waitForEnd(ctx)
	}
	wg.Wait()
}

// waitForEnd returns when something is over, something changed, ctx ended, or
// after a tick.
func (c *Control) waitForEnd(ctx context.Context) {
	wait := tick
	if end, ok := c.state.Load().nextEnd(); ok {
		wait = min(wait, time.Until(end))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.wakeups:
	case <-ctx.Done():
	}
}

func (c *Control) wake() {
	select {
	case c.wakeups <- struct{}{}:
	default: // it was woken already
	}
}

func (c *Control) writeAudit(ctx context.Context) {
	for {
		select {
		case q := <-c.queue:
			c.appendWithRetry(ctx, q)
		case <-ctx.Done():
			c.writeRest()
			return
		}
	}
}

// appendWithRetry tries again for as long as the store is away; others wait
// in the queue behind it, so the order stays. At the end of ctx the entry gets
// one more try. An append that began is not cut off: it could be written all
// the same, and then twice.
func (c *Control) appendWithRetry(ctx context.Context, q queuedEntry) {
	for {
		err := c.store.Append(context.WithoutCancel(ctx), q.log, q.at, q.text)
		if err == nil {
			return
		}
		c.log.Warn("the audit could not be written; trying again", "error", err)
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			c.appendFinal(q)
			return
		}
	}
}

func (c *Control) writeRest() {
	deadline := time.Now().Add(maxFinalWrite)
	for time.Now().Before(deadline) {
		select {
		case q := <-c.queue:
			c.appendFinal(q)
		default:
			return
		}
	}
}

func (c *Control) appendFinal(q queuedEntry) {
	ctx, cancel := context.WithTimeout(context.Background(), maxFinalWrite)
	defer cancel()
	if err := c.store.Append(ctx, q.log, q.at, q.text); err != nil {
		c.log.Error("an entry of the audit is lost", "error", err)
	}
}
