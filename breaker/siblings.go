package breaker

import (
	"context"
	"time"

	"captchagate/captcha"
)

// Siblings are the calls of other instances about the same tickets.
type Siblings interface {
	// Stands tells them that a call about a ticket has been on the wire for longer than
	// calls take, and Ended that none is any more. Neither may block.
	Stands(k captcha.Key)
	Ended(k captcha.Key)
	// Fate reports whether a call of theirs may have used the ticket up, or whether only
	// its caller's leaving left that open. It waits for one that stands, until ctx ends.
	Fate(ctx context.Context, k captcha.Key) (unknown, abandoned bool)
}

// Stands tells nobody.
func (Alone) Stands(captcha.Key) {}

// Ended tells nobody.
func (Alone) Ended(captcha.Key) {}

// Fate knows of nobody's calls.
func (Alone) Fate(context.Context, captcha.Key) (unknown, abandoned bool) { return false, false }

// tellStanding tells siblings of calls that have been on the wire for minStall. f.mu is
// held.
func (f *inFlight) tellStanding(now time.Time) {
	for c := f.oldest; c != nil && now.Sub(c.started) > minStall; c = c.next {
		if !c.told && !c.sentAt.IsZero() && now.Sub(c.sentAt)-(f.lag.until(now)-c.lagBefore) > minStall {
			c.told = true
			f.siblings.Stands(c.key)
		}
	}
}

// tellEnded tells siblings that a call stands no more, unless another one about its
// ticket does. f.mu is held, and c out of flight.
func (f *inFlight) tellEnded(c *call) {
	if !c.told {
		return
	}
	c.told = false
	for other := f.oldest; other != nil; other = other.next {
		if other.told && other.key == c.key {
			return
		}
	}
	f.siblings.Ended(c.key)
}
