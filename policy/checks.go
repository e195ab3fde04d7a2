package policy

import (
	"net/netip"
	"sync"
	"time"

	"captchagate/captcha"
)

// Checks bound what wrong solutions an address and its network may send to a
// scene. It is safe for concurrent use, bounded in memory, and needs no
// goroutine; a full table refuses.
type Checks struct {
	perIP, perNetwork limit
	names             names

	mu      sync.Mutex
	clock   clock
	buckets table
}

// newChecks returns full buckets for a scene with this budget of solved
// challenges: who may solve so many may be wrong as often. One that does not
// limit addresses has the usual rate, for checking is our work and not the
// scene's.
func newChecks(solved Budget, key []byte) *Checks {
	rate := solved.PerIP
	if rate.IsZero() {
		rate = Rate{N: 240, Per: time.Minute}
	}
	return &Checks{
		perIP: limitOf(rate, 1), perNetwork: limitOf(rate, networkFactor),
		names: newNames(key), clock: newClock(), buckets: newTable(maxBuckets),
	}
}

// Take takes tokens from the buckets of an address (a /32, or the /64 of IPv6)
// and of its network (/24 or /48, at 16 times the rate), or from none, and
// reports whether both had them. More than an address can ever have counts as
// all that: else a dear challenge could not be answered at all.
func (c *Checks) Take(ip netip.Addr, tokens int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.now()
	c.buckets.sweep(now)
	cs, unknown := c.charges(ip, tokens), 0
	for i := range cs {
		full, known := c.buckets.get(cs[i].name)
		if !known {
			unknown++
		}
		if cs[i].full = max(full, now) + cs[i].full; cs[i].full-now > cs[i].limit.burst {
			return false
		}
	}
	if !c.buckets.fits(unknown) {
		return false
	}
	for i := range cs {
		c.buckets.set(cs[i].name, cs[i].full)
	}
	return true
}

// Return gives back what Take took: it turned out to be no wrong solution.
func (c *Checks) Return(ip netip.Addr, tokens int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.charges(ip, tokens) {
		if full, known := c.buckets.get(one.name); known {
			c.buckets.set(one.name, full-one.full)
		}
	}
}

// charges are the buckets of an address, each with the ticks that tokens are.
func (c *Checks) charges(ip netip.Addr, tokens int) [2]charge {
	n := min(int64(tokens), c.perIP.burst/max(c.perIP.interval, 1))
	return [2]charge{
		{name: c.names.prefix(captcha.Household(ip)), limit: c.perIP, full: n * c.perIP.interval},
		{name: c.names.prefix(captcha.Network(ip)), limit: c.perNetwork, full: n * c.perNetwork.interval},
	}
}
