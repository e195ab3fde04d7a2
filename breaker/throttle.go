package breaker

import (
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// throttleWindow is what the throttle looks back on. Limits are often counted
	// by the second.
	throttleWindow = time.Second
	// throttleLasts is how long after the last throttled answer calls are held
	// back: an API that throttles turns some of what is sent away all the time.
	throttleLasts = 2500 * time.Millisecond
	// throttleFloor is how many calls a second are sent whatever the API last
	// took, so that it is noticed when it takes more.
	throttleFloor = 10
	// throttleHeadroom is how much more than the API takes is sent.
	throttleHeadroom = 1.15
	// futileBelow is the part of what the API took before calls were held back,
	// below which holding back has done harm, over two windows: of a limit it goes on
	// to take as much.
	futileBelow = 0.75
	// futileFor is how long all calls are sent after that.
	futileFor = 20 * time.Second
	// lookEvery is how long what a look found is a measure: it may have been had while
	// the API took nothing, or while few calls were wanted.
	lookEvery = 20 * time.Second
)

// throttle holds calls back in proportion to what the API turns away as too many.
// It is about what was sent, whatever became of it but that answer: of all calls
// that were wanted, the share that was sent and not turned away is what the API
// takes, and little more than that is sent. Whoever hangs up or meets a fault
// was not turned away.
//
// An API that turns away a share of the calls however few there are would be sent
// less and less. So all are sent at first, for a look at what it takes; if it takes
// less once calls are held back, they are not.
type throttle struct {
	mu        sync.Mutex
	calls     window[demand]
	last      time.Time // of the throttled answers
	lookUntil time.Time // until then all calls are sent
	looked    demand    // what the look found
	floor     *rate.Limiter
}

// demand is what was wanted of the API: calls sent and held back, and of the sent
// ones those that it throttled. An answer belongs to the moment at which its call
// was sent: else late answers would be about another demand than they are held to.
type demand struct{ sent, held, throttled int }

func newThrottle(now time.Time) *throttle {
	return &throttle{
		calls: newWindow[demand](now, 2*throttleWindow),
		floor: rate.NewLimiter(throttleFloor, throttleFloor),
	}
}

// admits says whether a call may be sent. It costs nothing as long as the API
// does not throttle.
func (t *throttle) admits(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.throttles(now) {
		return true
	}
	slot := t.calls.slot(now)
	if rand.Float64() < t.sends(now) || t.floor.AllowN(now, 1) {
		return true
	}
	slot.held++
	return false
}

// throttles reports whether the API turned calls away of late.
func (t *throttle) throttles(now time.Time) bool {
	return !t.last.IsZero() && now.Sub(t.last) <= throttleLasts
}

// sends is the share of the calls that are sent. What a look found is taken a
// window after it, when its answers have come.
func (t *throttle) sends(now time.Time) float64 {
	newest, both := total(t.calls.last(throttleWindow)), total(t.calls.last(2*throttleWindow))
	switch {
	case now.Before(t.lookUntil):
		return 1
	case now.Before(t.lookUntil.Add(throttleWindow)):
		t.looked = both.without(newest)
	case both.futile(t.looked):
		t.lookUntil = now.Add(futileFor)
		return 1
	case now.Sub(t.lookUntil) >= lookEvery:
		t.lookUntil = now.Add(throttleWindow)
		return 1
	}
	return throttleHeadroom * newest.share()
}

// sent counts a call that goes to the API.
func (t *throttle) sent(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls.slot(now).sent++
}

// refused counts a call, sent then, that the API throttled.
func (t *throttle) refused(then, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.throttles(now) {
		t.lookUntil = now.Add(throttleWindow)
	}
	t.last = now
	t.calls.slot(now)
	if slot := t.calls.at(then); slot != nil {
		slot.throttled++
	}
}

func total(demands iter.Seq[demand]) (sum demand) {
	for d := range demands {
		sum.sent += d.sent
		sum.held += d.held
		sum.throttled += d.throttled
	}
	return sum
}

// without is what of d is not in part of it.
func (d demand) without(part demand) demand {
	return demand{d.sent - part.sent, d.held - part.held, d.throttled - part.throttled}
}

// taken is how many calls the API did not turn away.
func (d demand) taken() int { return d.sent - d.throttled }

// share is how much of what was wanted the API takes; all while nothing was.
func (d demand) share() float64 {
	if d.sent+d.held == 0 {
		return 1
	}
	return ratio(d.taken(), d.sent+d.held)
}

// futile reports whether in two windows the API took less than in the one while
// all was sent, in number and in share: of fewer calls it would take a smaller
// number, and of more a smaller share, also if it holds to a limit.
func (d demand) futile(all demand) bool {
	return float64(d.taken()) < futileBelow*2*float64(all.taken()) &&
		d.share() < futileBelow*all.share()
}
