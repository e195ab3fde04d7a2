package policy

import (
	"net/netip"
	"sync"

	"captchagate/captcha"
)

const (
	// maxBuckets is how many buckets a limiter remembers unless said: some
	// 60 MB if all are in use. Only those who were let through are
	// remembered, each until its bucket is full again, so a total of 200/s
	// with rates per minute needs some 36,000.
	maxBuckets = 1 << 20
	// networkFactor is how many times an address's rate its network has.
	networkFactor = 16
)

// A Limiter is a budget and what was taken from it: one for each scene and kind
// of pass. It is safe for concurrent use and needs no goroutine.
//
// Its time limit, Budget.For, runs from the first taking of an incident. Once
// it is over nobody gets anything until the process mode has been normal for
// as long. A limiter does not know the mode: who owns it tells it with Observe.
// Until the first Observe it takes the mode to be degraded, so that a limiter
// that nobody tells runs out for good and not the other way round.
type Limiter struct {
	perIP, perNetwork, perSubject, total limit

	timeLimit int64 // Budget.For in ticks; 0: without end
	names     names
	limited   bool // something is limited

	mu          sync.Mutex
	clock       clock
	buckets     table // when each bucket that is not full will be
	totalFull   int64
	deadline    int64 // of the time limit; 0: no incident has begun
	normalSince int64 // -1: the process mode is degraded
}

// NewLimiter returns a full limiter of the usual size. It names users by hashes
// under key, so that nobody can choose a name, and instances with the same key
// choose the same; nil stands for a key that no other limiter has.
func NewLimiter(cfg Budget, key []byte) *Limiter { return newLimiter(cfg, key, maxBuckets) }

// newLimiter returns a full limiter that remembers at most capacity buckets,
// up to three for each user who was let through: address, network, subject. If
// none of them is full again and a user would need one more, the user is
// refused.
func newLimiter(cfg Budget, key []byte, capacity int) *Limiter {
	return &Limiter{
		perIP:       limitOf(cfg.PerIP, 1),
		perNetwork:  limitOf(cfg.PerIP, networkFactor),
		perSubject:  limitOf(cfg.PerSubject, 1),
		total:       limitOf(cfg.Total, 1),
		timeLimit:   ticksIn(cfg.For),
		names:       newNames(key),
		limited:     cfg != Budget{},
		clock:       newClock(),
		buckets:     newTable(capacity),
		normalSince: -1,
	}
}

// Observe tells the limiter the process mode. It must be called at least
// whenever the mode changes; being told the same again changes nothing.
func (l *Limiter) Observe(degraded bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	switch {
	case degraded:
		l.renew(now) // the calm that ends here may have been long enough
		l.normalSince = -1
	case l.normalSince < 0:
		l.normalSince = now
	}
}

// Take takes one token for a user and reports whether there was one: from the
// buckets of the address (a /32, or the /64 of IPv6), of its network (/24 or
// /48, at 16 times the rate), of the subject and of the total, within the time
// limit. It takes from all of them or from none, and a refusal leaves no trace.
// Without a subject that bucket does not count. An invalid address gets nothing.
func (l *Limiter) Take(ip netip.Addr, subject string) bool {
	if !ip.IsValid() {
		return false
	}
	if !l.limited {
		return true
	}
	charges, n := l.charges(ip, subject)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	l.renew(now)
	l.buckets.sweep(now)
	if l.deadline != 0 && now >= l.deadline {
		return false
	}
	return l.take(charges[:n], now)
}

// A charge is one bucket to take from.
type charge struct {
	name  uint64
	limit limit
	full  int64 // when the bucket will be full after this
}

// charges are the buckets of a user that are limited.
func (l *Limiter) charges(ip netip.Addr, subject string) (cs [3]charge, n int) {
	if l.perIP.limits() {
		cs[0] = charge{name: l.names.prefix(captcha.Household(ip)), limit: l.perIP}
		cs[1] = charge{name: l.names.prefix(captcha.Network(ip)), limit: l.perNetwork}
		n = 2
	}
	if subject != "" && l.perSubject.limits() {
		cs[n] = charge{name: l.names.subject(subject), limit: l.perSubject}
		n++
	}
	return cs, n
}

// take takes from all of cs and from the total, or from none.
func (l *Limiter) take(cs []charge, now int64) bool {
	total, ok := l.total.take(l.totalFull, now)
	if !ok {
		return false
	}
	unknown := 0
	for i := range cs {
		full, known := l.buckets.get(cs[i].name)
		if !known {
			unknown++
		}
		if cs[i].full, ok = cs[i].limit.take(full, now); !ok {
			return false
		}
	}
	if !l.buckets.fits(unknown) {
		return false
	}
	for i := range cs {
		l.buckets.set(cs[i].name, cs[i].full)
	}
	l.totalFull = total
	if l.deadline == 0 && l.timeLimit > 0 && l.normalSince < 0 { // while all is well no incident begins
		l.deadline = now + l.timeLimit
	}
	return true
}

// renew starts the time limit anew if the mode has been normal for as long.
// So what is let through while all is well, when a single call fails, begins
// no incident.
func (l *Limiter) renew(now int64) {
	if l.normalSince >= 0 && now-l.normalSince >= l.timeLimit {
		l.deadline = 0
	}
}
