package reverify

import (
	"slices"
	"time"

	"captchagate/captcha"
)

// An item is what memory knows of an entry; the rest is in the store.
type item struct {
	id        string
	incident  string
	decidedAt time.Time
	found     *finding  // nil until asked
	failures  int       // questions without an answer
	retryAt   time.Time // not to be asked about again before
}

// expired reports whether the API knows nothing of the item's ticket any more.
func (it *item) expired(now time.Time) bool { return now.Sub(it.decidedAt) >= captcha.TicketLife }

// A backlog holds what waits to be asked about.
type backlog struct {
	items   []*item // oldest first
	retries []*item // were asked about in vain; few, in no order
}

func (b *backlog) len() int { return len(b.items) + len(b.retries) }

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

func (b *backlog) addRetry(it *item) { b.retries = append(b.retries, it) }

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
