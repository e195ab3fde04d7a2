package once

// A queue holds entries in the order in which they came. Each has a number of
// its own that stays its name as long as it is in the queue. The zero queue is
// empty and ready.
type queue[E any] struct {
	ring       []E // a power of two long
	head, tail uint64
}

func (q *queue[E]) len() int { return int(q.tail - q.head) }

// at returns the entry of number n, which must be in the queue.
func (q *queue[E]) at(n uint64) *E { return &q.ring[n&uint64(len(q.ring)-1)] }

// push appends e and returns its number.
func (q *queue[E]) push(e E) uint64 {
	if q.len() == len(q.ring) {
		q.grow()
	}
	n := q.tail
	q.tail++
	*q.at(n) = e
	return n
}

// pop removes the oldest entry; there must be one.
func (q *queue[E]) pop() E {
	var none E
	oldest := q.at(q.head)
	e := *oldest
	*oldest = none // let go of what it points to
	q.head++
	return e
}

func (q *queue[E]) grow() {
	bigger := queue[E]{ring: make([]E, max(8, 2*len(q.ring))), head: q.head, tail: q.tail}
	for n := q.head; n != q.tail; n++ {
		*bigger.at(n) = *q.at(n)
	}
	*q = bigger
}
