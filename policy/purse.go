package policy

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// mostBuckets bounds what a purse remembers: about 50 bytes each. An entry
	// lives until its bucket is full again, so this is far more than a sane
	// total lets through in that time.
	mostBuckets = 1 << 20
	// neighbours is how many times one address's rate its network has.
	neighbours = 16
	// sweeps is how many old entries are looked at for each new one.
	sweeps = 4
)

// A Purse is a scene's budget and what was taken from it. It is safe for
// concurrent use.
//
// Each bucket is one time (the generic cell rate algorithm): when it will be
// full again. One that is full is the same as none, so only those who were let
// through recently are remembered; a refusal leaves no trace. Users are kept
// as keyed hashes. Two that collide share a bucket, which makes it stricter.
type Purse struct {
	cfg  Budget
	seed maphash.Seed
	most int

	mu          sync.Mutex
	total       time.Time
	buckets     map[uint64]time.Time // when full again
	order       []uint64             // the buckets' keys, longest unlooked at first
	began       time.Time            // first taking of this incident; zero: none
	normalSince time.Time            // zero while the process is degraded
}

// NewPurse returns a full purse.
func NewPurse(cfg Budget) *Purse { return newPurse(cfg, mostBuckets) }

func newPurse(cfg Budget, most int) *Purse {
	return &Purse{
		cfg: cfg, seed: maphash.MakeSeed(), most: most,
		buckets: map[uint64]time.Time{}, normalSince: time.Now(),
	}
}

// Observe tells the process mode. It must be called at least when the mode
// changes: the time limit begins anew only after the mode was normal for as
// long as the limit.
func (p *Purse) Observe(degraded bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.settle(now)
	switch {
	case degraded:
		p.normalSince = time.Time{}
	case p.normalSince.IsZero():
		p.normalSince = now
	}
}

// settle ends the incident where the mode was normal for long enough.
func (p *Purse) settle(now time.Time) {
	if p.began.IsZero() || p.normalSince.IsZero() {
		return
	}
	since := p.normalSince
	if p.began.After(since) {
		since = p.began
	}
	if now.Sub(since) >= p.cfg.For {
		p.began = time.Time{}
	}
}

// Take takes one passing for a user, and reports whether there was one: from
// the buckets of the address, its network, the subject where there is one, and
// the total. It takes from all of them or from none.
func (p *Purse) Take(ip netip.Addr, subject string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.settle(now)
	if p.cfg.For > 0 && !p.began.IsZero() && now.Sub(p.began) >= p.cfg.For {
		return false
	}
	p.sweep(now)
	draws, n := p.draws(ip, subject)
	total, ok := draw(p.total, p.cfg.Total, now)
	if !ok || len(p.buckets)+n > p.most {
		return false
	}
	for i := range draws[:n] {
		d := &draws[i]
		if d.full, ok = draw(p.buckets[d.key], d.rate, now); !ok {
			return false
		}
	}
	p.total = total
	for _, d := range draws[:n] {
		if _, known := p.buckets[d.key]; !known {
			p.order = append(p.order, d.key)
		}
		p.buckets[d.key] = d.full
	}
	if p.began.IsZero() {
		p.began = now
	}
	return true
}

// drawing is one bucket to draw from.
type drawing struct {
	key  uint64
	rate Rate
	full time.Time
}

// draws are the limited buckets of a user.
func (p *Purse) draws(ip netip.Addr, subject string) (ds [3]drawing, n int) {
	if !p.cfg.PerIP.IsZero() {
		one, network := prefixes(ip)
		ds[0] = drawing{key: maphash.Comparable(p.seed, one), rate: p.cfg.PerIP}
		ds[1] = drawing{key: maphash.Comparable(p.seed, network), rate: Rate{N: neighbours * p.cfg.PerIP.N, Per: p.cfg.PerIP.Per}}
		n = 2
	}
	if subject != "" && !p.cfg.PerSubject.IsZero() {
		ds[n] = drawing{key: maphash.String(p.seed, subject), rate: p.cfg.PerSubject}
		n++
	}
	return ds, n
}

// prefixes are what counts as one address, and its network: one household has
// a /64 of IPv6, one customer often a /48.
func prefixes(ip netip.Addr) (one, network netip.Prefix) {
	ip = ip.Unmap()
	if ip.Is4() {
		one, _ = ip.Prefix(32)
		network, _ = ip.Prefix(24)
		return one, network
	}
	one, _ = ip.Prefix(64)
	network, _ = ip.Prefix(48)
	return one, network
}

// draw takes one from a bucket that will be full at that time: a burst of N,
// refilled by one every Per/N.
func draw(full time.Time, r Rate, now time.Time) (time.Time, bool) {
	if r.IsZero() {
		return full, true
	}
	each := r.Per / time.Duration(r.N)
	if full.Before(now) {
		full = now
	}
	full = full.Add(each)
	return full, full.Sub(now) <= time.Duration(r.N)*each
}

// sweep forgets some of the buckets that are full again.
func (p *Purse) sweep(now time.Time) {
	for range min(sweeps, len(p.order)) {
		key := p.order[0]
		p.order = p.order[1:]
		if p.buckets[key].After(now) {
			p.order = append(p.order, key)
		} else {
			delete(p.buckets, key)
		}
	}
}
