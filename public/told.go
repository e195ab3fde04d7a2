package public

import (
	"sync"
	"time"
)

// told remembers of whom the log was told, so that it is told once in a while of
// each. Once it is full nobody new is told of before somebody is forgotten.
type told struct {
	every time.Duration // 0 = once
	most  int           // of whom

	mu   sync.Mutex
	last map[string]time.Time
}

// first reports whether name is to be told of now, and notes that it was.
func (t *told) first(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.every > 0 {
		for old, at := range t.last {
			if now.Sub(at) >= t.every {
				delete(t.last, old)
			}
		}
	}
	if _, known := t.last[name]; known || len(t.last) >= t.most {
		return false
	}
	if t.last == nil {
		t.last = map[string]time.Time{}
	}
	t.last[name] = now
	return true
}
