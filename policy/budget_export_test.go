package policy

// Entries returns how many buckets the purse remembers.
func (p *Purse) Entries() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.buckets.times)
}

// Entries returns how many prefixes and subjects r remembers.
func (r *Refuted) Entries() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.until.times)
}
