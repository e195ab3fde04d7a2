package reverify

import (
	"slices"
	"time"

	"captchagate/captcha"
)

// An item is what memory knows of an entry; the rest is in the store.
type item struct {
	id       string
	incident string
	at       time.Time // of the decision
	found    *finding  // nil until asked
	tries    int       // questions without an answer
	due      time.Time // not to be asked about again before
}

// tooOld reports whether the API knows nothing of the item's ticket any more.
func (it *item) tooOld(now time.Time) bool { return now.Sub(it.at) >= captcha.TicketLife }

// A line holds what waits to be asked about.
type line struct {
	items []*item // oldest first
	later []*item // were asked about in vain; few, in no order
}

func (l *line) waiting() int { return len(l.items) + len(l.later) }

func (l *line) add(it *item) {
	if n := len(l.items); n == 0 || !l.items[n-1].at.After(it.at) { // nearly always
		l.items = append(l.items, it)
		return
	}
	at, _ := slices.BinarySearchFunc(l.items, it, func(a, b *item) int {
		if a.at.After(b.at) {
			return 1
		}
		return -1 // of one time, those that came later are newer
	})
	l.items = slices.Insert(l.items, at, it)
}

// next takes the newest out, nil where none is due.
func (l *line) next(now time.Time) *item {
	l.later = slices.DeleteFunc(l.later, func(it *item) bool {
		due := !it.due.After(now)
		if due {
			l.add(it)
		}
		return due
	})
	if len(l.items) == 0 {
		return nil
	}
	last := len(l.items) - 1
	it := l.items[last]
	l.items[last] = nil
	l.items = l.items[:last]
	return it
}

// old takes those out whose tickets are too old.
func (l *line) old(now time.Time) (old []*item) {
	n := 0
	for n < len(l.items) && l.items[n].tooOld(now) {
		n++
	}
	old = slices.Clone(l.items[:n])
	clear(l.items[:n])
	l.items = l.items[n:]
	l.later = slices.DeleteFunc(l.later, func(it *item) bool {
		if it.tooOld(now) {
			old = append(old, it)
			return true
		}
		return false
	})
	return old
}
