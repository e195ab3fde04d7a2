package reverify

import "time"

// Hurry makes everything fast, for tests with a real clock. Call it before Run.
func (q *Queue) Hurry() {
	*q.timing = timing{askRate: 5000, askEvery: time.Millisecond, idle: 5 * time.Millisecond, flush: 20 * time.Millisecond}
}

// HoldAtMost lowers how many entries there may be.
func (q *Queue) HoldAtMost(n int) {
	q.capacity.mu.Lock()
	defer q.capacity.mu.Unlock()
	q.capacity.limit = n
}

// Held is how much counts against that.
func (q *Queue) Held() int {
	q.capacity.mu.Lock()
	defer q.capacity.mu.Unlock()
	return q.capacity.held
}

// RememberedRefuted is how many prefixes and subjects are in memory.
func (q *Queue) RememberedRefuted() int {
	q.refuted.mu.Lock()
	defer q.refuted.mu.Unlock()
	return len(q.refuted.until)
}
