package breaker

import (
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// throttleWindow is what the throttle looks back on.
	throttleWindow = 2 * time.Second
	// throttleLasts is how long after the last throttled answer calls are held
	// back.
	throttleLasts = 5 * time.Second
	// throttleFloor is how many calls a second are sent whatever the API last
	// accepted, so that it is noticed when it accepts more.
	throttleFloor = 10
	// While the API throttles, little more is sent than it accepts; once it
	// stopped, up to twice as much, so that the limit gives way in seconds.
	headroomThrottled = 1.1
	headroomFree      = 2
)

// throttle is client-side throttling as in the SRE book's "Handling Overload":
// a call is refused here with probability (wanted - k × accepted) / wanted.
type throttle struct {
	mu    sync.Mutex
	calls window[demand]
	until time.Time // until when calls are held back at all
	floor *rate.Limiter
}

// demand is what was wanted of the API, and what it did.
type demand struct{ wanted, accepted, throttled int }

func newThrottle(now time.Time) *throttle {
	return &throttle{
		calls: newWindow[demand](now, throttleWindow),
		floor: rate.NewLimiter(throttleFloor, throttleFloor),
	}
}

// admits says whether a call may be sent. It costs nothing as long as the API
// does not throttle.
func (t *throttle) admits(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.After(t.until) {
		return true
	}
	t.calls.slot(now).wanted++
	var wanted, accepted int
	for d := range t.calls.last(throttleWindow) {
		wanted += d.wanted
		accepted += d.accepted
	}
	k := float64(headroomFree)
	for d := range t.calls.last(time.Second) {
		if d.throttled > 0 {
			k = headroomThrottled
		}
	}
	refuse := (float64(wanted) - k*float64(accepted)) / float64(wanted+1)
	return rand.Float64() >= refuse || t.floor.AllowN(now, 1)
}

// accepted counts an answer that the API gave.
func (t *throttle) accepted(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls.slot(now).accepted++
}

// refused counts a call that the API throttled.
func (t *throttle) refused(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls.slot(now).throttled++
	t.until = now.Add(throttleLasts)
}
