package gateway

import (
	"sync"
	"time"

	"captchagate/breaker"
	"captchagate/control"
	"captchagate/watch"
)

// forcedMode follows the switch: a degraded mode that an operator forces on all
// is part of an incident, and once it is over users return little by little.
type forcedMode struct {
	control   *control.Control
	incidents *watch.Incidents
	breaker   *breaker.Breaker

	mu       sync.Mutex // held until what was read is acted on, so that the newest reading acts last
	degraded *control.Override
}

// observe acts on what the switch says now. Once it has returned the circuit is as the
// switch wants it: whoever tells both asks for this in between, lest a switch that was just
// lifted looks as if nothing had been.
func (f *forcedMode) observe() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if away := f.follow(time.Now()); away > 0 {
		f.breaker.Ramp(away)
	}
}

// follow notes where the switch stands, and returns for how long users were
// kept away if they may return from now on, else 0. The lock is held.
func (f *forcedMode) follow(now time.Time) (away time.Duration) {
	was, o := f.degraded, f.control.Override()
	f.degraded = nil
	if o != nil && o.Mode == control.Degraded {
		f.degraded = o
	}
	switch {
	case was == nil && f.degraded != nil:
		f.incidents.Begin(watch.KindForced, "forced by "+o.Actor+": "+o.Reason, o.Since)
	case was != nil && f.degraded == nil:
		end := now
		if was.Until != nil && was.Until.Before(now) {
			end = *was.Until // it lapsed, and is seen only now
		}
		f.incidents.End(watch.KindForced, end)
		if o == nil { // and not on normal, which sends everybody on
			away = max(end.Sub(was.Since), 1) // a moment also ends
		}
	}
	return away
}
