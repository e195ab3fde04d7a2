package reverify

import "time"

// Hurry makes everything fast, for tests with a real clock. Call it before Run.
func (q *Queue) Hurry() {
	q.tempo = tempo{rate: 5000, step: time.Millisecond, look: 5 * time.Millisecond, flush: 20 * time.Millisecond, most: mostEntries}
}

// HoldAtMost lowers how many entries there may be.
func (q *Queue) HoldAtMost(n int) { q.tempo.most = n }

// Held is how much counts against that.
func (q *Queue) Held() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held
}
