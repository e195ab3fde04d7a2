package breaker

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"captchagate/captcha"
)

const (
	// floorRate is how many requests a second recovering sends on at least,
	// whatever the share.
	floorRate = 5
	// canariesAtOnce is how many of the first calls of recovering may be in
	// flight together: should the probes have lied, few users wait.
	canariesAtOnce = 5
)

// ramp chooses who is sent on while recovering. The choice is stable: a user
// whose turn has come stays, so that nobody is challenged by turns for long.
type ramp struct {
	seed  maphash.Seed
	floor pace
}

func newRamp() *ramp { return &ramp{seed: maphash.MakeSeed(), floor: pace{rate: floorRate}} }

// admits says whether the user of t is in the share by now.
func (r *ramp) admits(s *stance, inFlight int, t captcha.Ticket, now time.Time) bool {
	if s.life.canaries.Load() < canaryCalls && inFlight >= canariesAtOnce {
		return false
	}
	return r.place(t) < s.share(now) || r.floor.take(now)
}

// share of users that is sent on: it grows evenly over the ramp.
func (s *stance) share(now time.Time) float64 {
	if s.ramp <= 0 {
		return 1
	}
	return min(float64(now.Sub(s.since))/float64(s.ramp), 1)
}

// Share is the share of users that is sent on now: 1 while the circuit is
// closed, 0 while it is open or half open, or the account is refused.
func (b *Breaker) Share() float64 {
	s := b.stance.Load()
	switch {
	case b.account.Load().State == AccountRefused || s.state == Open || s.state == HalfOpen:
		return 0
	case s.state == Recovering:
		return s.share(time.Now())
	}
	return 1
}

// place is where the user stands in the order of returning, in [0, 1).
func (r *ramp) place(t captcha.Ticket) float64 {
	var h uint64
	if t.Subject != "" {
		h = maphash.String(r.seed, t.Subject)
	} else {
		h = maphash.Comparable[netip.Prefix](r.seed, t.Household())
	}
	return float64(h>>11) / (1 << 53)
}

// pace lets rate through a second.
type pace struct {
	rate   float64
	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func (p *pace) take(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens = min(p.tokens+now.Sub(p.last).Seconds()*p.rate, p.rate)
	p.last = now
	if p.tokens < 1 {
		return false
	}
	p.tokens--
	return true
}

// Ramp has users come back little by little from now on: the switch had kept
// them away for that long, whatever the circuit did. An open one ramps anyway.
func (b *Breaker) Ramp(away time.Duration) {
	b.move(func(s *stance) (*stance, bool) {
		switch s.state {
		case Closed:
			return b.recovering(&stance{outage: time.Now()}, away, "users return from a forced degraded mode"), true
		case Recovering: // nobody was sent on meanwhile: their ramp begins now
			return b.recovering(s, max(away, s.ramp), s.evidence), true
		default:
			return nil, false
		}
	})
}

// recovering is the stance that follows s after users were away for so long: a
// fresh life.
func (b *Breaker) recovering(s *stance, away time.Duration, evidence string) *stance {
	return &stance{
		state: Recovering, since: time.Now(), life: b.newLife(), outage: s.outage, lies: s.lies,
		ramp: min(b.cfg.Ramp, away), evidence: evidence,
	}
}

// mayClose reports whether nothing speaks against l, and where calls were sent,
// enough speaks for it. A ramp as short as its outage was has sent few: early,
// only calls that all went well are enough, or it would flap.
func (l *life) mayClose(now time.Time, early bool) bool {
	switch {
	case l.isOpen():
		return false
	case !l.sent.Load():
		return true
	case early:
		return l.evidence.spotless(now)
	}
	return l.evidence.well(now)
}

// finishRamp closes the circuit once every user is sent on and all is well.
func (b *Breaker) finishRamp() {
	b.move(func(s *stance) (*stance, bool) {
		now := time.Now()
		early := now.Sub(s.since) < b.cfg.Ramp
		if s.state != Recovering || s.share(now) < 1 || !s.life.mayClose(now, early) {
			return nil, false
		}
		return &stance{state: Closed, since: now, life: s.life, evidence: "every user is sent on again"}, true
	})
}
