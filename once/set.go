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
	ages   queue[age]          // the oldest is the first
	gaps   int                 // ages whose key was removed
	lost   time.Duration       // when the last of those that went early would have ended, since began
}

type age struct {
	key  [16]byte
	ends time.Duration // since began
}

// maxSwept is how many expired keys an Add removes: more than it adds, so that
// the set shrinks, and few, so that nobody waits for it.
const maxSwept = 4

// maxGaps is how many gaps are not worth closing.
const maxGaps = 1024

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
	s.push(key, now+s.life)
	return true
}

// restore puts key into the set for what is left of its life; it must not end
// before those that are there.
func (s *Set) restore(key [16]byte, left time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.began)
	if left > 0 && !s.holds(key, now) {
		s.push(key, now+min(left, s.life))
	}
}

func (s *Set) push(key [16]byte, ends time.Duration) {
	if _, expired := s.places[key]; expired {
		s.gaps++
	}
	s.places[key] = s.ages.push(age{key: key, ends: ends})
	for len(s.places) > s.capacity {
		if ends := s.ages.at(s.ages.head).ends; s.drop() {
			s.lost = max(s.lost, ends)
		}
	}
}

// Forgetful reports whether a key went early whose life is not over: a key that
// is not in the set may then have been.
func (s *Set) Forgetful() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.began) < s.lost
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
	if _, ok := s.places[key]; !ok {
		return
	}
	delete(s.places, key) // its age stays behind as a gap
	s.gaps++
	if s.gaps > maxGaps && s.gaps > len(s.places) {
		s.compact()
	}
}

// compact closes the gaps, which would else take memory for a life each.
func (s *Set) compact() {
	var kept queue[age]
	for n := s.ages.head; n != s.ages.tail; n++ {
		if a := *s.ages.at(n); held(s.places, a.key, n) {
			s.places[a.key] = kept.push(a)
		}
	}
	s.ages, s.gaps = kept, 0
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
		s.places, s.ages, s.gaps = make(map[[16]byte]uint64), queue[age]{}, 0
		return
	}
	for range maxSwept {
		if s.ages.at(s.ages.head).ends > now {
			return
		}
		s.drop()
	}
}

// drop removes the oldest age and reports whether its key went with it: it was
// not removed or added anew since.
func (s *Set) drop() bool {
	n := s.ages.head
	key := s.ages.pop().key
	if !held(s.places, key, n) {
		s.gaps--
		return false
	}
	delete(s.places, key)
	return true
}

// held reports whether key is in places under the number n.
func held(places map[[16]byte]uint64, key [16]byte, n uint64) bool {
	of, ok := places[key]
	return ok && of == n
}
