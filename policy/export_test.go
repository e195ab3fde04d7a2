package policy

// Entries returns how many buckets the limiter remembers.
func (p *Limiter) Entries() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.buckets.times)
}
