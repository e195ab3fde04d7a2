package reverify

import "sync"

// maxEntries bounds what is kept: about 150 bytes of memory each, and in the
// store about 500 until it was asked about and 250 after.
const maxEntries = 1_000_000

// capacity counts entries, and reports that the webhook must still acknowledge,
// against a limit.
type capacity struct {
	mu    sync.Mutex
	limit int
	held  int
}

// reserve takes one place, and reports false if all are taken.
func (c *capacity) reserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held >= c.limit {
		return false
	}
	c.held++
	return true
}

// take counts what an earlier process left, even beyond the limit.
func (c *capacity) take(n int) { c.release(-n) }

func (c *capacity) release(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held -= n
}

// exceededBy reports whether n are more than the limit.
func (c *capacity) exceededBy(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return n > c.limit
}
