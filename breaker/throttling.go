package breaker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Throttling is whether users get no verdict because the Captcha API turns calls away
// as too many.
type Throttling struct {
	Since      time.Time `json:"since"`      // zero: it does not
	Users      int       `json:"users"`      // who came in the last minute, or since then
	Unverified int       `json:"unverified"` // of those, who got no verdict because of it
}

const (
	// throttlingMinute is what is counted, and for how long nobody may have been
	// turned away before it is over.
	throttlingMinute = time.Minute
	// throttlingLook is how often it is looked whether it is over. The first look
	// tells of it, so that it is told with a count.
	throttlingLook = time.Second
)

// throttlingUsers are counts of a slot.
type throttlingUsers struct{ all, unverified int }

// throttling counts users while some of them get no verdict because the API throttles,
// and has it told: at its beginning, every minute, and at its end. While it does not
// throttle a user costs it one atomic load.
type throttling struct {
	outbox *outbox
	begun  chan struct{}
	stands atomic.Bool

	mu    sync.Mutex
	since time.Time
	users window[throttlingUsers]
	whole throttlingUsers // since then
}

func newThrottling(outbox *outbox) *throttling {
	return &throttling{outbox: outbox, begun: make(chan struct{}, 1)}
}

// user counts a user, whom throttling may have kept from a verdict.
func (t *throttling) user(unverified bool) {
	if !unverified && !t.stands.Load() {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stands.Load() {
		if !unverified {
			return // it ended meanwhile
		}
		t.since, t.users, t.whole = now, newWindow[throttlingUsers](now, throttlingMinute), throttlingUsers{}
		t.stands.Store(true)
		offer(t.begun, struct{}{})
	}
	for _, counts := range []*throttlingUsers{t.users.slot(now), &t.whole} {
		counts.all++
		if unverified {
			counts.unverified++
		}
	}
}

// status is how it stands.
func (t *throttling) status(now time.Time) Throttling {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stands.Load() {
		return Throttling{}
	}
	return t.lately(now)
}

// lately is the last minute. The lock is held.
func (t *throttling) lately(now time.Time) Throttling {
	t.users.slot(now)
	s := Throttling{Since: t.since}
	for counts := range t.users.last(throttlingMinute) {
		s.Users += counts.all
		s.Unverified += counts.unverified
	}
	return s
}

// run has it told until ctx ends.
func (t *throttling) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.begun:
			t.watch(ctx)
		}
	}
}

// watch looks until it is over.
func (t *throttling) watch(ctx context.Context) {
	ticks := time.NewTicker(throttlingLook)
	defer ticks.Stop()
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			s, over := t.look(now)
			if first := told.IsZero(); over || now.Sub(told) >= throttlingMinute {
				t.outbox.throttling(s, first, over)
				t.outbox.deliver()
				told = now
			}
			if over {
				return
			}
		}
	}
}

// look is the last minute, or all of it once it is over, for want of anybody in that
// minute whom it kept from a verdict.
func (t *throttling) look(now time.Time) (s Throttling, over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s = t.lately(now); s.Unverified > 0 {
		return s, false
	}
	t.stands.Store(false)
	return Throttling{t.since, t.whole.all, t.whole.unverified}, true
}
