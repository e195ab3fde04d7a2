package policy

// NewBoundedLimiter is newLimiter with a key of its own.
func NewBoundedLimiter(cfg Budget, capacity int) *Limiter { return newLimiter(cfg, nil, capacity) }

// Entries returns how many buckets the limiter remembers.
func (l *Limiter) Entries() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buckets.times)
}
