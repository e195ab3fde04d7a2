package gateway

import (
	"slices"
	"sync"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
	"captchagate/control"
	"captchagate/policy"
	"captchagate/watch"
)

// situation joins the switch and the circuit to how things stand: it is what
// policy asks, what /v1/mode tells and what the metric shows.
type situation struct {
	control *control.Control
	breaker *breaker.Breaker
	script  *watch.Script
	changed func() // is told that it may have changed

	mu   sync.Mutex
	last map[string]time.Time // when a scene was last degraded; "" = all of them
}

func newSituation(c *control.Control, b *breaker.Breaker, script *watch.Script) *situation {
	return &situation{control: c, breaker: b, script: script, changed: func() {}, last: map[string]time.Time{}}
}

// Observe notes what is degraded at this moment. The circuit and the switch call
// it when they change, and the switch every second, so that it is known for how
// long nothing has been degraded.
func (s *situation) Observe() {
	process := s.mode() == policy.ModeDegraded
	drills := s.control.Drills()
	s.changed()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if process {
		s.last[""] = now
	}
	for _, d := range drills {
		if d.Share > 0 {
			s.last[d.Scene] = now
		}
	}
}

// Share is how much re-verification may ask: nothing while the Captcha API is
// away or an operator treats it so.
func (s *situation) Share() float64 {
	if s.control.Mode() == control.Degraded {
		return 0
	}
	return s.breaker.Share()
}

// mode is the process mode.
func (s *situation) mode() policy.Mode {
	switch s.control.Mode() {
	case control.Degraded:
		return policy.ModeDegraded
	case control.Normal:
		return policy.ModeNormal
	case control.Auto:
	}
	if s.breaker.State() != breaker.Closed {
		return policy.ModeDegraded
	}
	return policy.ModeNormal
}

// SceneMode is the mode of a scene as a page sees it, whoever its user is: a
// drill may concern any of them.
func (s *situation) SceneMode(scene string) policy.Mode {
	if s.control.Mode() == control.Auto && s.drill(scene) {
		return policy.ModeDegraded
	}
	return s.mode()
}

func (s *situation) drill(scene string) bool {
	return slices.ContainsFunc(s.control.Drills(), func(d control.Drill) bool {
		return d.Scene == scene && d.Share > 0 // a drill of nobody changes nothing
	})
}

// Cause is why a scene is degraded now.
func (s *situation) Cause(scene string) captcha.Cause {
	switch {
	case s.control.Mode() == control.Degraded || s.drill(scene):
		return captcha.CauseForced
	case s.breaker.State() == breaker.Recovering:
		return captcha.CauseRecovering
	}
	return captcha.CauseCircuitOpen
}

// Forced returns what is forced on the user of a ticket in the scene.
func (s *situation) Forced(scene string, of captcha.Ticket) policy.Force {
	switch s.control.Forced(scene, of) {
	case control.Degraded:
		return policy.ForceDegraded
	case control.Normal:
		return policy.ForceNormal
	case control.Auto:
	}
	return policy.ForceNone
}

// Degraded reports whether the scene is degraded now, and when it last was.
func (s *situation) Degraded(scene string) (now bool, last time.Time) {
	now = s.SceneMode(scene) == policy.ModeDegraded
	s.mu.Lock()
	defer s.mu.Unlock()
	last = s.last[""]
	if at := s.last[scene]; at.After(last) {
		last = at
	}
	return now, last
}

// Standing says which lasting causes hold for the scene now.
func (s *situation) Standing(scene string) policy.Standing {
	return policy.Standing{
		policy.LastingCircuit: s.breaker.State() != breaker.Closed,
		policy.LastingForced:  s.control.Mode() == control.Degraded,
		policy.LastingDrill:   s.drill(scene),
		policy.LastingScript:  s.script.Down(),
	}
}

// ScriptDown reports whether the gateway saw for itself that the page's script
// is away.
func (s *situation) ScriptDown() bool { return s.script.Down() }
