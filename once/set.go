package once

import (
	"sync"
	"time"
)

// A Set remembers keys, each for exactly one life from when it was added. It
// is bounded and safe for concurrent use, and needs no goroutine: adding
// removes what has expired, a little at a time.
type Set struct {
	life     time.Duration
	capacity int

	mu     sync.Mutex
	began  time.Time
	places map[[16]byte]uint64 // number in ages
	ages   queue[age]          // all keys have the same life: the oldest is the first
}

type age struct {
	key  [16]byte
	ends time.Duration // since began
}

// maxSwept is how many expired keys an Add removes: more than it adds, so that
// the set shrinks, and few, so that nobody waits for it.
const maxSwept = 4

// NewSet returns a Set whose keys live for life and that holds at most that
// many of them. Beyond that the oldest go early: choose capacity for the highest
// rate to be expected times life. A key takes about 90 bytes.
func NewSet(life time.Duration, capacity int) *Set {
	return &Set{life: life, capacity: max(capacity, 1), began: time.Now(), places: make(map[[16]byte]uint64)}
}

// Add puts key into the set and reports whether it was not there. A key that is
// there keeps its end.
func (s *Set) Add(key [16]byte) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.began)
	s.sweep(now)
	if s.holds(key, now) {
		return false
	}
	s.places[key] = s.ages.push(age{key: key, ends: now + s.life})
	for s.ages.len() > s.capacity {
		s.drop()
	}
	return true
}

// Has reports whether key is in the set.
func (s *Set) Has(key [16]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holds(key, time.Since(s.began))
}

// Remove takes key out of the set, as if it had never been added.
func (s *Set) Remove(key [16]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.places, key) // its age stays behind until it is swept
}

// Len returns how many keys the set holds in memory; some may have expired.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.places)
}

func (s *Set) holds(key [16]byte, now time.Duration) bool {
	n, ok := s.places[key]
	return ok && now < s.ages.at(n).ends
}

// sweep removes expired keys. If all have expired it starts anew, which
// gives the memory back after a flood.
func (s *Set) sweep(now time.Duration) {
	if s.ages.len() == 0 {
		return
	}
	if s.ages.at(s.ages.tail-1).ends <= now {
		s.places, s.ages = make(map[[16]byte]uint64), queue[age]{}
		return
	}
	for range maxSwept {
		if s.ages.at(s.ages.head).ends > now {
			return
		}
		s.drop()
	}
}

// drop removes the oldest key, unless it was removed or added anew since.
func (s *Set) drop() {
	n := s.ages.head
	key := s.ages.pop().key
	if s.places[key] == n {
		delete(s.places, key)
	}
}
