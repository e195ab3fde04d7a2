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
// Its time limit, Budget.For, runs for each lasting cause apart; see timeLimit. A
// limiter does not know which causes hold: who owns it tells it with Observe.
type Limiter struct {
	perIP, perNetwork, perSubject, total limit

	names   names
	lacks   lacks
	limited bool // something is limited

	*taken // shared with the limiter of the budget that this one replaced
}

// taken is what was taken from a budget.
type taken struct {
	mu        sync.Mutex
	clock     clock
	timeLimit timeLimit
	refusing  [lastings]bool // somebody was refused because the time of the cause is over
	pot
	part pot // of one instance alone; see TakePart
}

// A pot is the buckets of a budget.
type pot struct {
	buckets   table // when each bucket that is not full will be
	totalFull int64
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
	t := &taken{clock: newClock(), timeLimit: timeLimit{ticks: ticksIn(cfg.For)}, pot: pot{buckets: newTable(capacity)}, part: pot{buckets: newTable(capacity)}}
	return limiterOf(cfg, newNames(key), t)
}

func limiterOf(cfg Budget, names names, t *taken) *Limiter {
	return &Limiter{
		perIP:      limitOf(cfg.PerIP, 1),
		perNetwork: limitOf(cfg.PerIP, networkFactor),
		perSubject: limitOf(cfg.PerSubject, 1),
		total:      limitOf(cfg.Total, 1),
		names:      names,
		lacks:      lacksOf(cfg),
		limited:    cfg != Budget{},
		taken:      t,
	}
}

// with returns the limiter of another budget, from which as much was taken: of
// the total as many passes, of the buckets the same part, and of the time limit
// as much time. Changing a budget hands nothing out anew.
func (l *Limiter) with(cfg Budget) *Limiter {
	next := limiterOf(cfg, l.names, l.taken)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total.limits() && next.total.limits() {
		now := l.clock.now()
		passes := (max(l.totalFull-now, 0) + l.total.interval - 1) / l.total.interval
		l.totalFull = now + min(passes*next.total.interval, next.total.burst)
	}
	l.timeLimit.change(ticksIn(cfg.For))
	return next
}

// Observe tells the limiter which lasting causes hold. It must be called at least
// whenever that changes; being told the same again changes nothing.
func (l *Limiter) Observe(standing Standing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timeLimit.observe(standing, l.clock.now())
}

// Take takes one token for a user and reports whether there was one: from the
// buckets of the address (a /32, or the /64 of IPv6), of its network (/24 or
// /48, at 16 times the rate), of the subject and of the total, within the time
// of the cause that it is taken under. It takes from all of them or from none,
// and a refusal leaves no trace. Without a subject that bucket does not count.
// An invalid address gets nothing.
func (l *Limiter) Take(under Lasting, ip netip.Addr, subject string) bool {
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
	l.buckets.sweep(now)
	if l.timeLimit.over(under, now) || !l.take(charges[:n], l.total, now) {
		return false
	}
	l.timeLimit.begin(under, now)
	return true
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
func (p *pot) take(cs []charge, total limit, now int64) bool {
	totalFull, unknown, ok := p.fills(cs, total, now)
	if !ok || !p.buckets.fits(unknown) {
		return false
	}
	for i := range cs {
		p.buckets.set(cs[i].name, cs[i].full)
	}
	p.totalFull = totalFull
	return true
}

// fills notes in cs when each bucket is full after this, and reports whether all have
// a token.
func (p *pot) fills(cs []charge, total limit, now int64) (totalFull int64, unknown int, ok bool) {
	if totalFull, ok = total.take(p.totalFull, now); !ok {
		return 0, 0, false
	}
	for i := range cs {
		full, known := p.buckets.get(cs[i].name)
		if !known {
			unknown++
		}
		if cs[i].full, ok = cs[i].limit.take(full, now); !ok {
			return 0, 0, false
		}
	}
	return totalFull, unknown, true
}
