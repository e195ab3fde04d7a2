package policy

import (
	"maps"
	"slices"
)

// A table keeps a time for each of a bounded number of names, and forgets a
// name once its time has come. It needs no goroutine: every call of sweep
// removes some of what is over.
type table struct {
	capacity int
	times    map[uint64]int64
	heap     []expiry // a heap, the earliest first: exactly one for each name
}

// An expiry is when a name is to be looked at: at its time, or before if the
// time has been moved since. To move the expiry too would cost more than to
// look twice.
type expiry struct {
	at   int64
	name uint64
}

const (
	// sweepSteps is how many names one sweep looks at. It is more than are
	// added between two sweeps, so that the table shrinks, and few, so that
	// nobody waits for it.
	sweepSteps = 16
	// smallTable is down to how many names a flood has to go before its
	// memory is given back.
	smallTable = 1 << 10
)

func newTable(capacity int) table {
	return table{capacity: max(capacity, 0), times: map[uint64]int64{}}
}

// get returns a name's time. One that is over may be there or not.
func (t *table) get(name uint64) (at int64, known bool) {
	at, known = t.times[name]
	return at, known
}

// fits reports whether the table has room for more unknown names.
func (t *table) fits(more int) bool { return len(t.times)+more <= t.capacity }

// set sets a name's time. If it is before the one that it had, the name is
// forgotten at that one only.
func (t *table) set(name uint64, at int64) {
	before := len(t.times)
	t.times[name] = at
	if len(t.times) > before {
		t.heap = append(t.heap, expiry{at: at, name: name})
		t.up(len(t.heap) - 1)
	}
}

// sweep forgets names whose time has come, those of longest ago first.
func (t *table) sweep(now int64) {
	for range sweepSteps {
		if len(t.heap) == 0 || t.heap[0].at > now {
			return
		}
		first := &t.heap[0]
		if at := t.times[first.name]; at > now {
			first.at = at
		} else {
			t.forget(first.name)
		}
		t.down()
	}
}

// forget removes the first of the heap and its name.
func (t *table) forget(name uint64) {
	delete(t.times, name)
	last := len(t.heap) - 1
	t.heap[0] = t.heap[last]
	t.heap = t.heap[:last]
	if last <= smallTable && cap(t.heap) > 8*smallTable {
		t.shrink()
	}
}

// shrink gives the memory of a flood that is over back: neither maps nor
// slices do so by themselves. There is little left to move.
func (t *table) shrink() {
	times := make(map[uint64]int64, len(t.times))
	maps.Copy(times, t.times)
	t.times, t.heap = times, slices.Clone(t.heap)
}

// up puts expiry i, the last, where it belongs.
func (t *table) up(i int) {
	q := t.heap
	for i > 0 {
		parent := (i - 1) / 2
		if q[parent].at <= q[i].at {
			return
		}
		q[parent], q[i] = q[i], q[parent]
		i = parent
	}
}

// down puts the first expiry where it belongs.
func (t *table) down() {
	q := t.heap
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(q) {
			return
		}
		if right := child + 1; right < len(q) && q[right].at < q[child].at {
			child = right
		}
		if q[i].at <= q[child].at {
			return
		}
		q[i], q[child] = q[child], q[i]
		i = child
	}
}
