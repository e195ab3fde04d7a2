package scenario

import (
	"slices"
	"strings"
	"time"

	"captchagate/simulator"
)

func (c *checker) steps(s Scenario) {
	f, last := newFleetState(s, c), time.Duration(0)
	for _, m := range s.moments() {
		inTime := m.ofPhase || c.time(m.key+".at", m.At, last, s)
		if inTime && !m.ofPhase {
			last = m.At
		}
		before := slices.Clone(f.now)
		c.step(m, f)
		for i := range f.now {
			if !inTime && f.now[i] != before[i] {
				f.now[i] = unknown
			}
		}
	}
	if !slices.ContainsFunc(f.now, func(g gatewayState) bool { return g != killed }) {
		what := "the gateway killed; start it again"
		if len(f.now) > 1 {
			what = "every instance killed; start one again"
		}
		c.add("steps", "leave %s", what)
	}
}

// time reports whether a step is known to come within the phases and behind the
// one above.
func (c *checker) time(key string, at, last time.Duration, s Scenario) bool {
	switch {
	case at < 0 || at > s.Length():
		if c.lengthIsKnown(s) {
			c.add(key, "must lie within the phases (0s to %v), is %v", s.Length(), at)
		}
	case at < last:
		c.add(key, "comes before the step above it; put the steps in the order of time")
	default:
		return true
	}
	return false
}

func (c *checker) lengthIsKnown(s Scenario) bool {
	return c.isRead(s, "for") && !slices.ContainsFunc(s.Phases, func(p Phase) bool { return p.For <= 0 })
}

// step checks one, and notes what runs after it.
func (c *checker) step(m moment, f *fleetState) {
	given := 0
	for _, is := range []bool{m.Switch != nil, m.Kill != nil, m.Start != nil, m.Script != "", m.Network != nil, m.Redis != nil} {
		if is {
			given++
		}
	}
	switch {
	case given == 0 && c.unread(m.key):
		f.lose()
		return
	case given != 1:
		c.add(m.key, "must have exactly one of switch, kill, start, script, network and redis")
		f.lose()
		return
	case m.Kill != nil:
		c.kill(m.key+".kill", *m.Kill, f)
	case m.Start != nil:
		c.start(m.key+".start", *m.Start, f)
	case m.Redis != nil:
		c.redis(m.key+".redis", m, f)
	case m.Script != "":
		if err := (simulator.ScriptFault{Kind: simulator.ScriptKind(m.Script)}).Validate(); err != nil {
			_, text, _ := strings.Cut(err.Error(), ": ")
			c.add(m.key+".script", "%s", text)
		}
	case m.Network != nil: // its network looked at
	default:
		c.toggle(m.key+".switch", *m.Switch)
	}
}

func (c *checker) toggle(key string, w Switch) {
	if w.Mode != "auto" && w.Mode != "degraded" && w.Mode != "normal" {
		c.add(key+".mode", "must be auto, degraded or normal, is %q", w.Mode)
	}
	if w.Reason == "" {
		c.add(key+".reason", "is missing; the gateway wants one")
	}
	if w.For < 0 {
		c.add(key+".for", "must not be negative, is %v", w.For)
	}
	if w.Scene != "" && !slices.Contains(sceneNames(), w.Scene) {
		c.add(key+".scene", "must be one of %s, is %q", strings.Join(sceneNames(), ", "), w.Scene)
	}
}
