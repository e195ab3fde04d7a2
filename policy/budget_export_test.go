package policy

// Entries returns how many buckets the purse remembers.
func (p *Purse) Entries() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.buckets.times)
}
