package policy

import (
	"fmt"
	"net/netip"
)

// sharedTicks is how many ticks of ours make one of those that instances share, a
// sixteenth of a microsecond.
const sharedTicks = 1000

// A Bill is what one pass takes from a budget that instances share. Its times are
// sixteenths of a microsecond.
type Bill struct {
	Buckets []Bucket
	Under   Lasting // the cause whose time it takes

	For     int64 // how long passes are given under that cause; 0: for ever
	Begun   int64 // its time began so long ago, as far as this instance knows; -1: it does not
	Renewed int64 // so long ago the cause had been away for as long as For; -1: not known

	charges []charge // all buckets but the total, which is the last
}

// A Bucket is one that a pass takes a token from. Its name says nothing of whose it is,
// and is the same on all instances.
type Bucket struct {
	Name            string
	Interval, Burst int64 // in which one token comes back, and all of them
}

// Bill returns what a pass would take, and takes nothing. It is not ok if this instance
// knows already that there is none: by what the fleet's buckets were when it last heard
// of them, to which others can only have added.
func (l *Limiter) Bill(under Lasting, ip netip.Addr, subject string) (b Bill, ok bool) {
	b = Bill{Under: under, Begun: -1, Renewed: -1}
	if !ip.IsValid() || !l.limited {
		return b, ip.IsValid()
	}
	charges, n := l.charges(ip, subject)
	b.charges = charges[:n]
	for _, c := range b.charges {
		b.Buckets = append(b.Buckets, c.limit.shared(fmt.Sprintf("%016x", c.name)))
	}
	if l.total.limits() {
		b.Buckets = append(b.Buckets, l.total.shared("total"))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	l.buckets.sweep(now)
	if l.timeLimit.over(under, now) {
		return b, false
	}
	if b.For = shared(l.timeLimit.ticks); b.For > 0 {
		b.Begun, b.Renewed = l.timeLimit.ages(under, now)
	}
	_, _, ok = l.fills(b.charges, l.total, now)
	return b, ok
}

// shared converts ticks, rounded up: never more than the rate.
func shared(ticks int64) int64 { return (ticks + sharedTicks - 1) / sharedTicks }

// shared is the bucket of a limit.
func (l limit) shared(name string) Bucket {
	interval := shared(l.interval)
	return Bucket{Name: name, Interval: interval, Burst: interval * (l.burst / l.interval)}
}

// Settle notes how the fleet's buckets and the time stand, as the answer to a bill says:
// after what time each bucket is full, and how long ago the time began (-1: it has not).
// A pass that was given also takes from this instance's own part, one of n.
func (l *Limiter) Settle(b Bill, levels []int64, begun int64, given bool, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	if begun >= 0 && l.timeLimit.ticks > 0 {
		l.timeLimit.clocks[b.Under].deadline = now - begun*sharedTicks + l.timeLimit.ticks
	}
	for i, level := range levels[:min(len(levels), len(b.Buckets))] {
		full := now + level*sharedTicks
		if i == len(b.charges) {
			l.totalFull = full
		} else {
			l.buckets.note(b.charges[i].name, full)
		}
	}
	if given {
		l.part.charge(parts(b.charges, n), l.total.part(n), now)
	}
}

// TakePart takes one token from each bucket of this instance's own part, one of n, of a
// budget that instances share: for as long as they cannot share it. The part was charged
// with all that Settle was told of. See Take.
func (l *Limiter) TakePart(under Lasting, ip netip.Addr, subject string, n int) bool {
	if !ip.IsValid() || n < 1 {
		return false
	}
	if !l.limited {
		return true
	}
	charges, of := l.charges(ip, subject)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	l.part.buckets.sweep(now)
	if l.timeLimit.over(under, now) || !l.part.take(parts(charges[:of], n), l.total.part(n), now) {
		return false
	}
	l.timeLimit.begin(under, now)
	return true
}

// parts are charges with the limits of one part of n.
func parts(cs []charge, n int) []charge {
	own := make([]charge, len(cs))
	for i, c := range cs {
		own[i] = charge{name: c.name, limit: c.limit.part(n)}
	}
	return own
}

// part is one of n parts of a limit: of its rate exactly, and of what it has at once, but
// one token at least.
func (l limit) part(n int) limit {
	if !l.limits() {
		return l
	}
	interval := l.interval * int64(n)
	return limit{interval: interval, burst: max(l.burst, interval)}
}

// charge takes from all buckets, be they empty.
func (p *pot) charge(cs []charge, total limit, now int64) {
	if total.limits() {
		p.totalFull = min(max(p.totalFull, now)+total.interval, now+total.burst)
	}
	for _, c := range cs {
		full, _ := p.buckets.get(c.name)
		p.buckets.note(c.name, min(max(full, now)+c.limit.interval, now+c.limit.burst))
	}
}

// note is set for a name that is there, or has room.
func (t *table) note(name uint64, at int64) {
	if _, known := t.get(name); known || t.fits(1) {
		t.set(name, at)
	}
}

// ages are how long ago the time of a cause began and the cause had last been away for
// long enough to begin it anew; -1 for never.
func (l *timeLimit) ages(under Lasting, now int64) (begun, renewed int64) {
	begun, renewed = -1, -1
	c := l.clocks[under]
	if c.deadline != 0 {
		begun = shared(now - (c.deadline - l.ticks))
	}
	if c.renewed != 0 {
		renewed = shared(now - c.renewed)
	}
	return begun, renewed
}
