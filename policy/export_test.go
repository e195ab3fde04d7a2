package policy

// Entries returns how many buckets the limiter remembers.
func (l *Limiter) Entries() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buckets.times)
}
