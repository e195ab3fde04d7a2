package challenge

// TakeAllSlots makes every derivation wait until free is called.
func (c *Challenger) TakeAllSlots() (free func()) {
	for range cap(c.slots) {
		c.slots <- struct{}{}
	}
	return func() {
		for range cap(c.slots) {
			<-c.slots
		}
	}
}
