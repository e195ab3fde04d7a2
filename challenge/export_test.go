package challenge

// TakeAllSlots makes every derivation wait until free is called.
func (c *Challenger) TakeAllSlots() (free func()) {
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.free
	l.free = 0
	return func() {
		for range taken {
			l.leave()
		}
	}
}

// FreeOneSlot lets derivations run one at a time, after TakeAllSlots.
func (c *Challenger) FreeOneSlot() { c.line.leave() }
