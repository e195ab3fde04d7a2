package scenario

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"captchagate/simulator"
)

// What a scenario may ask for at most: tickets are issued before the traffic
// begins and are good for five minutes, and everything sent is kept in memory.
const (
	MaxLength   = 4 * time.Minute
	MaxRequests = 500_000
)

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// checker gathers mistakes by key.
type checker []Mistake

func (c *checker) add(key, format string, args ...any) {
	*c = append(*c, Mistake{Key: key, Text: fmt.Sprintf(format, args...)})
}

// check finds what is wrong beyond the form of single values.
func (s Scenario) check() []Mistake {
	var c checker
	if !namePattern.MatchString(s.Name) {
		c.add("name", "must be small letters, digits and -, such as hang; is %q", s.Name)
	}
	if s.Title == "" {
		c.add("title", "is missing; say in one line what is played")
	}
	if s.API.Latency < 0 || s.API.Jitter < 0 || s.API.Capacity < 0 {
		c.add("api", "must have no negative value")
	}
	c.callers(s.Callers)
	c.weights("users", s.Users, Kinds())
	c.weights("scenes", s.Scenes, SceneNames())
	c.crowd("addresses", s.Addresses)
	c.crowd("subjects", s.Subjects)
	c.phases(s)
	c.steps(s)
	c.objectives(s)
	return c
}

func (c *checker) callers(k Callers) {
	if k.GiveUp <= 0 || k.GiveUp > time.Minute {
		c.add("callers.give_up", "must be over 0s and at most 1m, is %v", k.GiveUp)
	}
	if k.RetryAfter <= 0 || k.HangUp <= 0 || k.Slow <= 0 {
		c.add("callers", "must have retry_after, hang_up and slow over 0s")
	}
	if k.Tries < 1 || k.Tries > 10 {
		c.add("callers.tries", "must be between 1 and 10, is %d", k.Tries)
	}
}

func (c *checker) weights(key string, w Weights, known []string) {
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if !slices.Contains(known, name) {
			c.add(join(key, name), "is not known; here are %s", strings.Join(known, ", "))
		}
		if w[name] < 0 {
			c.add(join(key, name), "must not be negative, is %v", w[name])
		}
		sum += max(w[name], 0)
	}
	if sum == 0 {
		c.add(key, "must give somebody a weight over 0")
	}
}

func (c *checker) crowd(key string, k Crowd) {
	if k.Count < 1 || k.Count > 1_000_000 {
		c.add(key+".count", "must be between 1 and 1000000, is %d", k.Count)
	}
	if k.Heavy < 0 || k.Heavy > k.Count {
		c.add(key+".heavy", "must be between 0 and count (%d), is %d", k.Count, k.Heavy)
	}
	if k.HeavyShare < 0 || k.HeavyShare > 1 {
		c.add(key+".heavy_share", "must be between 0 and 1, is %v", k.HeavyShare)
	}
}

func (c *checker) phases(s Scenario) {
	if len(s.Phases) == 0 {
		c.add("phases", "is missing; at least one is needed, such as {name: healthy, for: 5s, rate: 200/s}")
	}
	if length := s.Length(); length > MaxLength {
		c.add("phases", "take %v together and may take %v, because tickets live five minutes; compress the story", length, MaxLength)
	}
	names, total := map[string]bool{}, 0
	for i, p := range s.Phases {
		at := fmt.Sprintf("phases[%d]", i)
		if p.Name == "" || names[p.Name] {
			c.add(at+".name", "must be there and differ from those of other phases, is %q", p.Name)
		}
		names[p.Name] = true
		switch {
		case p.For <= 0:
			c.add(at+".for", "must be over 0s, is %v", p.For)
		case p.Rate.text == "":
			c.add(at+".rate", "is missing; write for instance 200/s")
		default:
			total += len(p.Rate.Times(min(p.For, MaxLength)))
		}
		if p.Users != nil {
			c.weights(at+".users", p.Users, Kinds())
		}
		if p.Scenes != nil {
			c.weights(at+".scenes", p.Scenes, SceneNames())
		}
		c.fault(at+".fault", p.Fault)
	}
	if total > MaxRequests {
		c.add("phases", "send %d requests together and may send %d; lower the rates or the times", total, MaxRequests)
	}
}

func (c *checker) fault(key string, f *Fault) {
	if f == nil {
		return
	}
	err := simulator.Fault{
		Kind: simulator.Kind(f.Kind), Share: f.Share, Latency: f.Latency, Consume: f.Consume, SpareDisaster: f.SpareDisaster,
	}.Validate()
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		field, text, _ := strings.Cut(line, ": ")
		c.add(join(key, field), "%s", text)
	}
}

func (c *checker) steps(s Scenario) {
	down := false
	for i, step := range s.Steps {
		at := fmt.Sprintf("steps[%d]", i)
		if step.At < 0 || step.At > s.Length() {
			c.add(at+".at", "must lie within the phases (0s to %v), is %v", s.Length(), step.At)
		}
		if i > 0 && step.At < s.Steps[i-1].At {
			c.add(at+".at", "comes before the step above it; put the steps in the order of time")
		}
		c.step(at, step, &down)
	}
	if down {
		c.add("steps", "leave the gateway killed; start it again")
	}
}

func (c *checker) step(at string, step Step, down *bool) {
	given := 0
	for _, is := range []bool{step.Switch != nil, step.Kill != "", step.Start != "", step.Script != ""} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		c.add(at, "must have exactly one of switch, kill, start and script")
	case step.Kill != "":
		if step.Kill != "gateway" || *down {
			c.add(at+".kill", "must be gateway, and that must run")
		}
		*down = true
	case step.Start != "":
		if step.Start != "gateway" || !*down {
			c.add(at+".start", "must be gateway, after a kill")
		}
		*down = false
	case step.Script != "":
		if err := (simulator.ScriptFault{Kind: simulator.ScriptKind(step.Script)}).Validate(); err != nil {
			_, text, _ := strings.Cut(err.Error(), ": ")
			c.add(at+".script", "%s", text)
		}
	default:
		c.toggle(at+".switch", *step.Switch)
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
	if w.Scene != "" && !slices.Contains(SceneNames(), w.Scene) {
		c.add(key+".scene", "must be one of %s, is %q", strings.Join(SceneNames(), ", "), w.Scene)
	}
}

func (c *checker) objectives(s Scenario) {
	if len(s.Objectives) == 0 {
		c.add("objectives", "is missing; without one nothing is tested, begin with \"useful >= 100%%\"")
	}
	outage := slices.ContainsFunc(s.Phases, Phase.IsOutage)
	for i, o := range s.Objectives {
		at := fmt.Sprintf("objectives[%d]", i)
		known := slices.ContainsFunc(s.Phases, func(p Phase) bool { return p.Name == o.Phase })
		switch {
		case o.Phase != "" && !known:
			c.add(at, "names the phase %q, which there is not", o.Phase)
		case o.NeedsOutage() && !outage:
			c.add(at, "needs an outage, and no phase is one; mark it with outage: true")
		}
	}
}
