package breaker

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	throttleSlots = 20 // of span each: two seconds
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
	slots [throttleSlots]struct{ wanted, accepted, throttled int }
	base  time.Time // what slots are counted from
	at    int64
	on    time.Time // until when calls are held back at all
	floor pace
}

// throttleLasts is how long after the last throttled answer calls are held back.
const throttleLasts = 5 * time.Second

// admits says whether a call may be sent. It costs nothing as long as the API
// does not throttle.
func (t *throttle) admits(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.After(t.on) {
		return true
	}
	t.advance(now)
	t.slots[t.at%throttleSlots].wanted++
	var wanted, accepted, throttled int
	for i, s := range t.slots {
		wanted += s.wanted
		accepted += s.accepted
		if age := (t.at - int64(i) + throttleSlots) % throttleSlots; age < lastSecond {
			throttled += s.throttled
		}
	}
	k := float64(headroomFree)
	if throttled > 0 {
		k = headroomThrottled
	}
	refuse := (float64(wanted) - k*float64(accepted)) / float64(wanted+1)
	return rand.Float64() >= refuse || t.floor.take(now)
}

// observe counts an answer: one that the API gave, or its refusal.
func (t *throttle) observe(now time.Time, throttled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance(now)
	slot := &t.slots[t.at%throttleSlots]
	if throttled {
		slot.throttled++
		t.on = now.Add(throttleLasts)
	} else {
		slot.accepted++
	}
}

func (t *throttle) advance(now time.Time) {
	for slot := slotOf(t.base, now); t.at < slot; {
		if slot-t.at > throttleSlots {
			t.at = slot - throttleSlots
		}
		t.at++
		t.slots[t.at%throttleSlots] = struct{ wanted, accepted, throttled int }{}
	}
}
