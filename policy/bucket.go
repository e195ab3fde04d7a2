package policy

import (
	"math"
	"time"
)

// A tick is the unit of time in budgets: a sixteenth of a nanosecond, since a
// network's rate may be 16,000,000 a second. An int64 of them lasts 18 years.
const ticksPerNano = 16

// ticksIn converts d; nine years stand for all that is longer.
func ticksIn(d time.Duration) int64 {
	return int64(min(d, math.MaxInt64/ticksPerNano/2)) * ticksPerNano
}

// A clock counts ticks since it was made, by the monotonic clock: setting the
// system's time buys nothing.
type clock struct{ began time.Time }

func newClock() clock { return clock{began: time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.began)) * ticksPerNano }

// time is the system's time at a tick, and zero at 0.
func (c clock) time(ticks int64) time.Time {
	if ticks == 0 {
		return time.Time{}
	}
	return c.began.Add(time.Duration(ticks / ticksPerNano)).Round(0)
}

// shown is the system's time at a tick as its clock stands now, and zero at 0: it may have
// been set since this one began.
func (c clock) shown(ticks int64) time.Time {
	if ticks == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration((ticks - c.now()) / ticksPerNano)).Round(0)
}

// ticks are those of a time that another process may have noted; 0 of zero. What
// is long ago is before this clock began.
func (c clock) ticks(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	d := at.Sub(c.began.Round(0))
	if d < 0 {
		return -ticksIn(-max(d, -math.MaxInt64)) - 1
	}
	return ticksIn(d) + 1
}

// A limit is a token bucket's rule. The bucket itself is one number, the time
// at which it will be full again (the generic cell rate algorithm): a bucket
// whose time has come is full, and the same as none.
type limit struct {
	interval int64 // ticks in which one token comes back
	burst    int64 // ticks in which an empty bucket is full again; -1: no limit
}

// limitOf is the limit of factor times the rate. A rate that cannot be, of nothing
// or in no time, lets nobody through.
func limitOf(rate Rate, factor int) limit {
	if rate.IsZero() {
		return limit{burst: -1}
	}
	if rate.N < 1 || rate.Per <= 0 {
		return limit{interval: 1}
	}
	n := int64(rate.N) * int64(factor)
	interval := (ticksIn(rate.Per) + n - 1) / n // rounded up: never more than the rate, and by 1 in 1,000 less at worst
	return limit{interval: interval, burst: n * interval}
}

// limits reports whether l refuses anybody.
func (l limit) limits() bool { return l.burst >= 0 }

// take takes a token from a bucket that is full at that time. It returns when
// the bucket is full again then, or false if the bucket has no token.
func (l limit) take(full, now int64) (int64, bool) {
	if !l.limits() {
		return full, true
	}
	full = max(full, now) + l.interval
	return full, full-now <= l.burst
}
