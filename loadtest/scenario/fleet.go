package scenario

import (
	"fmt"
	"time"
)

// Redis is one that the load test starts for the instances; nothing about it can
// be chosen.
type Redis struct{}

// A Process is one that can be killed and started: the gateway, or one of several
// instances of it.
type Process struct {
	Instance int    `yaml:"instance"` // from 1
	Name     string `yaml:"-"`        // gateway, where it is the only one
}

// UnmarshalText reads gateway.
func (p *Process) UnmarshalText(text []byte) error {
	p.Name = string(text)
	return nil
}

// A RedisFault is what happens to Redis.
type RedisFault struct {
	Kind string        `yaml:"fault"` // stop, kill, slow, restart or flush
	For  time.Duration `yaml:"for"`   // of those that last; default the phase's length
}

// redisFaults lists the kinds. The first three last, the others are over at once.
func redisFaults() []string { return []string{"stop", "kill", "slow", "restart", "flush"} }

// Lasts reports whether the fault holds on until it is taken back.
func (f RedisFault) Lasts() bool { return f.Kind == "stop" || f.Kind == "kill" || f.Kind == "slow" }

// HasRedis reports whether the gateway is given a Redis: then it must be one that
// the load test has started itself.
func (s Scenario) HasRedis() bool {
	for _, step := range s.Moments() {
		if step.Redis != nil {
			return true
		}
	}
	return s.Redis != nil
}

// Moments are all steps in the order of time, those among them that a phase
// begins with.
func (s Scenario) Moments() []Step {
	var steps []Step
	for _, m := range s.moments() {
		steps = append(steps, m.Step)
	}
	return steps
}

// A moment is a step and where the file has it.
type moment struct {
	Step
	key     string
	ofPhase bool
}

// moments are the steps in the file's order, each behind what the phases up to it
// begin with.
func (s Scenario) moments() (all []moment) {
	ofPhases := s.phaseMoments()
	for i, step := range s.Steps {
		for len(ofPhases) > 0 && ofPhases[0].At <= step.At {
			all, ofPhases = append(all, ofPhases[0]), ofPhases[1:]
		}
		all = append(all, moment{Step: step, key: fmt.Sprintf("steps[%d]", i)})
	}
	return append(all, ofPhases...)
}

// phaseMoments are what phases begin with.
func (s Scenario) phaseMoments() (all []moment) {
	for i, start := range s.Starts() {
		p, key := s.Phases[i], fmt.Sprintf("phases[%d]", i)
		if p.Kill != nil {
			all = append(all, moment{Step{At: start, Kill: p.Kill}, key, true})
		}
		if p.Redis == nil {
			continue
		}
		f := *p.Redis
		if f.For == 0 && f.Lasts() {
			f.For = p.For
		}
		all = append(all, moment{Step{At: start, Redis: &f}, key, true})
	}
	return all
}
