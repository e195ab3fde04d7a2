package policy

import "net/netip"

// NewBoundedLimiter is newLimiter with a key of its own.
func NewBoundedLimiter(cfg Budget, capacity int) *Limiter { return newLimiter(cfg, nil, capacity) }

// Entries returns how many buckets the limiter remembers.
func (l *Limiter) Entries() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buckets.times)
}

// Names returns the names of a user's buckets: address, network, subject.
func (l *Limiter) Names(ip netip.Addr, subject string) (names [3]uint64) {
	charges, n := l.charges(ip, subject)
	for i := range n {
		names[i] = charges[i].name
	}
	return names
}
