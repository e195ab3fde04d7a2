package connlimit

import (
	"cmp"
	"slices"
)

// maxCandidates bounds what one search through all connections finds.
const maxCandidates = 64

// candidates are those that make room first, in order: of who held most when they
// were searched for, the ones that wait longest. So that not every newcomer costs a
// search they are kept, and each is looked at again when it is its turn.
type candidates struct {
	list []candidate
	room [maxCandidates]candidate
	ties int    // peers that held as many as theirs
	of   uint64 // the eviction that they were searched for
}

type candidate struct {
	conn *conn
	peer *peer
	word int64
}

// offer takes e if it is one of the first so far.
func (q *candidates) offer(e candidate) {
	if n := len(q.list); n > 0 {
		switch last := q.list[n-1]; {
		case last.peer.outranks(e.peer):
			return
		case e.peer.outranks(last.peer):
			q.list = q.list[:0]
		case n == maxCandidates && e.word > last.word:
			return
		case n == maxCandidates:
			q.list = q.list[:n-1]
		}
	}
	at, _ := slices.BinarySearchFunc(q.list, e.word, func(have candidate, word int64) int { return cmp.Compare(have.word, word) })
	q.list = slices.Insert(q.list, at, e)
}

// first returns who would make room by its word for who waits since then; ok is false
// if there is nobody, or not yet.
func (l *Limiter) first(since int64) (e candidate, ok bool) {
	for _, e := range l.candidates.list {
		if l.stands(e) {
			return e, true
		}
	}
	coming := l.search(since)
	if q := l.candidates.list; len(q) > 0 && (coming == nil || !coming.outranks(q[0].peer)) {
		return q[0], true
	}
	return candidate{}, false
}

// stands reports whether e waits as it did when it was found, and nobody else comes
// before it. What was found for this eviction needs no look at others.
func (l *Limiter) stands(e candidate) bool {
	c, p, q := e.conn, e.peer, &l.candidates
	if c.place < 0 || c.peer != p || c.word.Load() != e.word || c.seen == l.evictions {
		return false
	}
	if q.of == l.evictions {
		return true
	}
	strangers := p.trusted && l.strangers.most > 0
	return p.open == p.class.most && p.class.holding[p.open] <= q.ties && !strangers
}

// search looks at all connections. It returns who would make room first of those who
// have sent what the server may yet find to be half a request, and were not answered
// since then: nil if there is nobody, or if who waits has done so for a turn.
func (l *Limiter) search(since int64) (coming *peer) {
	q := &l.candidates
	q.list, q.of = q.room[:0], l.evictions
	if l.now() >= since+int64(turn) {
		since = -1
	}
	for _, c := range l.conns {
		word := c.word.Load()
		switch s := stateOf(word); {
		case c.cuttable(word) && c.seen != l.evictions:
			q.offer(candidate{c, c.peer, word})
		case (s == begun || s == handed) && c.arrived.Load() == 0 && c.rested.Load() <= since && (coming == nil || c.peer.outranks(coming)):
			coming = c.peer
		}
	}
	if len(q.list) > 0 {
		p := q.list[0].peer
		q.ties = p.class.holding[p.open]
	}
	return coming
}
