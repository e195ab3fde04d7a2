package fleet

import "time"

// clockSamples is how many samples are looked at: the best of them counts.
const clockSamples = 16

// A clock compares the board's clock with this host's.
type clock struct {
	samples [clockSamples]sample
	n       int
}

type sample struct {
	offset, trip time.Duration
}

// learn takes in what the board's clock said in a trip that began and ended then by
// this host's, and returns the offset of the quickest trip of late.
func (c *clock) learn(said, began, ended time.Time) time.Duration {
	trip := ended.Sub(began)
	c.samples[c.n%clockSamples] = sample{said.Sub(began.Round(0).Add(trip / 2)), trip}
	c.n++
	best := c.samples[0]
	for _, s := range c.samples[:min(c.n, clockSamples)] {
		if s.trip < best.trip {
			best = s
		}
	}
	return best.offset
}
