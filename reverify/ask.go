package reverify

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"captchagate/captcha"
)

const (
	// maxAsking is how many questions may be on their way together.
	maxAsking = 4
	// After a failure nothing is asked for a second, and up to maxPause if they
	// go on; the ticket that met it waits longer, so that one on which the API
	// chokes does not hold up the others.
	minPause = time.Second
	maxPause = 15 * time.Second
	minRetry = 2 * time.Second
	maxRetry = time.Minute
)

// An asker asks about its backlog, newest first: the oldest tickets are lost
// first anyway, and those who were let through last may still be stopped.
type asker struct {
	held     *atomic.Bool // nothing is asked meanwhile
	verifier captcha.Verifier
	ramp     Ramp
	records  *records
	refuted  *refuted
	tallies  *tallies
	batcher  *batcher
	capacity *capacity
	timing   *timing

	mu      sync.Mutex
	backlog backlog
	backoff backoff
}

func (a *asker) add(it *item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.backlog.add(it)
}

func (a *asker) run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	slots := make(chan struct{}, maxAsking)
	tokens := rate.NewLimiter(0, 1)
	for ctx.Err() == nil {
		now := time.Now()
		a.expire(now)
		share := a.share()
		tokens.SetLimitAt(now, a.timing.askRate*rate.Limit(share))
		if share > 0 && tokens.TokensAt(now) >= 1 && len(slots) < maxAsking {
			if it := a.next(now); it != nil {
				tokens.AllowN(now, 1)
				slots <- struct{}{}
				asking.Go(func() {
					// A question is not cut off: its ticket would be used up for nothing.
					a.ask(context.WithoutCancel(ctx), it)
					<-slots
				})
			}
		}
		pause(ctx, a.untilNextLook(share))
	}
}

func (a *asker) untilNextLook(share float64) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if share > 0 && len(a.backlog.items)+len(a.backlog.retries) > 0 {
		return a.timing.askEvery
	}
	return a.timing.idle
}

// share is the ramp's, whatever it says within 0..1.
func (a *asker) share() float64 {
	if s := a.ramp.Share(); s > 0 && !a.held.Load() {
		return min(s, 1)
	}
	return 0
}

// next takes the newest entry that may be asked about now; nil if none may.
func (a *asker) next(now time.Time) *item {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.backoff.lasts(now) {
		return nil
	}
	return a.backlog.takeNewest(now)
}

// expire gives up what the API knows nothing of any more.
func (a *asker) expire(now time.Time) {
	a.mu.Lock()
	expired := a.backlog.takeExpired(now)
	a.mu.Unlock()
	for _, it := range expired {
		a.found(it, &finding{Result: Unverifiable, At: now})
	}
}

// retryLater puts an entry back, to be asked about later.
func (a *asker) retryLater(it *item, what string, err error) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	it.retryAt = now.Add(doubled(minRetry, it.failures, maxRetry))
	it.failures++
	a.backlog.retries = append(a.backlog.retries, it)
	if a.backoff.failures == 0 {
		a.records.log.Warn("re-verification waits: "+what, "error", err)
	}
	a.backoff.fail(now, minPause, maxPause)
}

// A backoff is failures without a success between, and until when to pause.
type backoff struct {
	failures int
	until    time.Time
}

// lasts reports whether it is still time to pause.
func (b *backoff) lasts(now time.Time) bool { return now.Before(b.until) }

// fail begins a pause between first and longest, twice as long as the last one.
func (b *backoff) fail(now time.Time, first, longest time.Duration) {
	if b.lasts(now) {
		return // of questions that were on their way together
	}
	b.until = now.Add(doubled(first, b.failures, longest))
	b.failures++
}

// An item is what memory knows of an entry; the rest is in the store.
type item struct {
	id        string
	incident  string
	decidedAt time.Time
	found     *finding  // nil until asked
	counted   bool      // in another queue's tally
	failures  int       // questions without an answer
	retryAt   time.Time // not to be asked about again before
}

// expired reports whether the API knows nothing of the item's ticket any more.
func (it *item) expired(now time.Time) bool { return now.Sub(it.decidedAt) >= captcha.TicketLife }

// tally is what an item that was found counts here.
func (it *item) tally() (t Tally) {
	if !it.counted {
		t.count(it.found.Result)
	}
	return t
}

// A backlog holds what waits to be asked about.
type backlog struct {
	items   []*item // oldest first
	retries []*item // were asked about in vain; few, in no order
}

func (b *backlog) add(it *item) {
	if n := len(b.items); n == 0 || !b.items[n-1].decidedAt.After(it.decidedAt) { // nearly always
		b.items = append(b.items, it)
		return
	}
	i, _ := slices.BinarySearchFunc(b.items, it, func(x, y *item) int {
		if x.decidedAt.After(y.decidedAt) {
			return 1
		}
		return -1 // of one time, those that came later are newer
	})
	b.items = slices.Insert(b.items, i, it)
}

// takeNewest takes the newest item out; nil if none may be asked about now.
func (b *backlog) takeNewest(now time.Time) *item {
	b.retries = slices.DeleteFunc(b.retries, func(it *item) bool {
		due := !it.retryAt.After(now)
		if due {
			b.add(it)
		}
		return due
	})
	if len(b.items) == 0 {
		return nil
	}
	last := len(b.items) - 1
	it := b.items[last]
	b.items[last] = nil
	b.items = b.items[:last]
	return it
}

// takeExpired takes those out whose tickets are too old.
func (b *backlog) takeExpired(now time.Time) (expired []*item) {
	n := 0
	for n < len(b.items) && b.items[n].expired(now) {
		n++
	}
	expired = slices.Clone(b.items[:n])
	clear(b.items[:n])
	b.items = b.items[n:]
	b.retries = slices.DeleteFunc(b.retries, func(it *item) bool {
		if it.expired(now) {
			expired = append(expired, it)
			return true
		}
		return false
	})
	return expired
}
