package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"captchagate/simulator"
)

// gatewayState is whether the gateway runs after a step. After a step that is
// wrong nobody knows, and no later one is blamed for it.
type gatewayState int

const (
	running gatewayState = iota
	killed
	unknown
)

func (c *checker) steps(s Scenario) {
	now, last := running, time.Duration(0)
	for i, step := range s.Steps {
		at := fmt.Sprintf("steps[%d]", i)
		inTime := c.time(at+".at", step.At, last, s)
		if inTime {
			last = step.At
		}
		after := c.step(at, step, now)
		if !inTime && after != now {
			after = unknown
		}
		now = after
	}
	if now == killed {
		c.add("steps", "leave the gateway killed; start it again")
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

func (c *checker) step(at string, step Step, now gatewayState) gatewayState {
	given := 0
	for _, is := range []bool{step.Switch != nil, step.Kill != "", step.Start != "", step.Script != ""} {
		if is {
			given++
		}
	}
	switch {
	case given == 0 && c.unread(at):
		return unknown
	case given != 1:
		c.add(at, "must have exactly one of switch, kill, start and script")
		return unknown
	case step.Kill != "":
		return c.kill(at+".kill", step.Kill, now)
	case step.Start != "":
		return c.start(at+".start", step.Start, now)
	case step.Script != "":
		if err := (simulator.ScriptFault{Kind: simulator.ScriptKind(step.Script)}).Validate(); err != nil {
			_, text, _ := strings.Cut(err.Error(), ": ")
			c.add(at+".script", "%s", text)
		}
	default:
		c.toggle(at+".switch", *step.Switch)
	}
	return now
}

func (c *checker) kill(key, what string, now gatewayState) gatewayState {
	if what != "gateway" {
		c.add(key, "must be gateway, for nothing else can be killed; is %q", what)
		return unknown
	}
	if now == killed {
		c.add(key, "kills a gateway that was killed before; start it in between")
	}
	return killed
}

func (c *checker) start(key, what string, now gatewayState) gatewayState {
	if what != "gateway" {
		c.add(key, "must be gateway, for nothing else can be started; is %q", what)
		return unknown
	}
	if now == running {
		c.add(key, "starts a gateway that runs; it must come after a kill")
	}
	return running
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
	if w.Scene != "" && !slices.Contains(SceneNames(), w.Scene) {
		c.add(key+".scene", "must be one of %s, is %q", strings.Join(SceneNames(), ", "), w.Scene)
	}
}
