package policy

import (
	"net/netip"
	"sync"
)

const (
	// mostEntries is how many buckets a purse remembers unless said: some
	// 60 MB where all are in use. Only those who were let through are
	// remembered, each until its bucket is full again, so a total of 200/s
	// with rates per minute needs some 36,000.
	mostEntries = 1 << 20
	// networkFactor is how many times an address's rate its network has.
	networkFactor = 16
)

// A Purse is a budget and what was taken from it: one for each scene and kind
// of passing. It is safe for concurrent use and needs no goroutine.
//
// Its time limit, Budget.For, runs from the first taking of an incident. Once
// it is over nobody gets anything until the process mode has been normal for
// as long. A purse does not know the mode: who owns it tells it with Observe.
// Until the first Observe it takes the mode to be degraded, so that a purse
// that nobody tells runs out for good and not the other way round.
type Purse struct {
	perIP, perNetwork, perSubject limit

	total   limit
	lasts   int64 // Budget.For in ticks; 0: without end
	names   names
	limited bool // something is limited

	mu          sync.Mutex
	clock       clock
	buckets     table // when each bucket that is not full will be
	totalFull   int64
	ends        int64 // when the time limit does; 0: no incident has begun
	normalSince int64 // -1: the process mode is degraded
}

// NewPurse returns a full purse of the usual size .
func NewPurse(cfg Budget) *Purse { return NewBoundedPurse(cfg, mostEntries) }

// NewBoundedPurse returns a full purse that remembers at most most buckets, up
// to three for each user who was let through: address, network, subject. Where
// none of them is full again and a user would need one more, the user is
// refused.
func NewBoundedPurse(cfg Budget, most int) *Purse {
	return &Purse{
		perIP:       limitOf(cfg.PerIP, 1),
		perNetwork:  limitOf(cfg.PerIP, networkFactor),
		perSubject:  limitOf(cfg.PerSubject, 1),
		total:       limitOf(cfg.Total, 1),
		lasts:       ticksIn(cfg.For),
		names:       newNames(),
		limited:     cfg != Budget{},
		clock:       newClock(),
		buckets:     newTable(most),
		normalSince: -1,
	}
}

// Observe tells the purse the process mode. It must be called at least
// whenever the mode changes; being told the same again changes nothing.
func (p *Purse) Observe(degraded bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.now()
	switch {
	case degraded:
		p.renew(now) // the peace that ends here may have been long enough
		p.normalSince = -1
	case p.normalSince < 0:
		p.normalSince = now
	}
}

// Take takes one passing for a user and reports whether there was one: in the
// buckets of the address (a /32, or the /64 of IPv6), of its network (/24 or
// /48, at 16 times the rate), of the subject and of the total, within the time
// limit. It takes from all of them or from none, and a refusal leaves no trace.
// Without a subject that bucket does not count. An invalid address gets nothing.
func (p *Purse) Take(ip netip.Addr, subject string) bool {
	if !ip.IsValid() {
		return false
	}
	if !p.limited {
		return true
	}
	draws, n := p.draws(ip, subject)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.now()
	p.renew(now)
	p.buckets.sweep(now)
	if p.ends != 0 && now >= p.ends {
		return false
	}
	return p.take(draws[:n], now)
}

// A draw is one bucket to take from.
type draw struct {
	name  uint64
	limit limit
	full  int64 // when the bucket will be full after this
}

// draws are the buckets of a user that are limited.
func (p *Purse) draws(ip netip.Addr, subject string) (ds [3]draw, n int) {
	if p.perIP.limits() {
		one, network := prefixLengths(ip)
		ds[0] = draw{name: p.names.prefix(ip, one), limit: p.perIP}
		ds[1] = draw{name: p.names.prefix(ip, network), limit: p.perNetwork}
		n = 2
	}
	if subject != "" && p.perSubject.limits() {
		ds[n] = draw{name: p.names.subject(subject), limit: p.perSubject}
		n++
	}
	return ds, n
}

// take takes from all of ds and from the total, or from none.
func (p *Purse) take(ds []draw, now int64) bool {
	total, ok := p.total.take(p.totalFull, now)
	if !ok {
		return false
	}
	unknown := 0
	for i := range ds {
		full, known := p.buckets.get(ds[i].name)
		if !known {
			unknown++
		}
		if ds[i].full, ok = ds[i].limit.take(full, now); !ok {
			return false
		}
	}
	if !p.buckets.fits(unknown) {
		return false
	}
	for i := range ds {
		p.buckets.set(ds[i].name, ds[i].full)
	}
	p.totalFull = total
	if p.ends == 0 && p.lasts > 0 && p.normalSince < 0 { // in peace no incident begins
		p.ends = now + p.lasts
	}
	return true
}

// renew starts the time limit anew where the mode has been normal for as long.
// So what is let through in peace, where a single call fails, begins no
// incident.
func (p *Purse) renew(now int64) {
	if p.normalSince >= 0 && now-p.normalSince >= p.lasts {
		p.ends = 0
	}
}
