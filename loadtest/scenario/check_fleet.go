package scenario

import (
	"slices"
	"time"
)

// gatewayState is whether an instance runs after a step. After a step that is
// wrong nobody knows, and no later one is blamed for it.
type gatewayState int

const (
	running gatewayState = iota
	killed
	unknown
)

// fleetState is what runs after a step.
type fleetState struct {
	now       []gatewayState // by instance
	length    time.Duration  // of the run; 0 = unknown
	redisBack time.Duration  // when its last fault is over
}

func newFleetState(s Scenario, c *checker) *fleetState {
	f := &fleetState{now: make([]gatewayState, min(max(s.Instances, 1), maxInstances))}
	if c.lengthIsKnown(s) {
		f.length = s.Length()
	} else if slices.ContainsFunc(s.moments(), func(m moment) bool { return m.ofPhase }) {
		f.lose() // of two moments nobody knows which is the first
	}
	return f
}

func (f *fleetState) lose() {
	for i := range f.now {
		f.now[i] = unknown
	}
}

// fleet checks how many instances there are, and how they share the requests.
func (c *checker) fleet(s Scenario) {
	if s.Instances < 1 || s.Instances > maxInstances {
		c.add("instances", "must be between 1 and %d, is %d", maxInstances, s.Instances)
		return
	}
	if len(s.Balance) == 0 || c.unread("balance") || c.unread("instances") {
		return
	}
	if len(s.Balance) != s.Instances {
		c.add("balance", "must have a weight for each of the %d instances, such as [80, 15, 5] for 3, has %d", s.Instances, len(s.Balance))
	}
	for _, weight := range s.Balance {
		if !(weight > 0) { // nor what is no number
			c.add("balance", "must have weights over 0, has %v; leave the instance out", weight)
		}
	}
}

// which is the index of what a step kills or starts; -1 = a mistake.
func (c *checker) which(key string, p Process, f *fleetState, done string) int {
	several := len(f.now) > 1
	switch {
	case c.unread(key):
	case several && (p.Instance < 1 || p.Instance > len(f.now) || p.Name != ""):
		c.add(key, "must be {instance: N} with N from 1 to %d, to say which", len(f.now))
	case !several && p.Name == "":
		c.add(key, "must be gateway, for there is one; give instances, such as instances: 3, to have several")
	case !several && p.Name != "gateway":
		c.add(key, "must be gateway, for nothing else can be %s; is %q", done, p.Name)
	default:
		return max(p.Instance-1, 0)
	}
	f.lose()
	return -1
}

func (c *checker) kill(key string, p Process, f *fleetState) {
	i := c.which(key, p, f, "killed")
	if i < 0 {
		return
	}
	if f.now[i] == killed {
		c.add(key, "kills %s that was killed before; start it in between", one(f))
	}
	f.now[i] = killed
}

func (c *checker) start(key string, p Process, f *fleetState) {
	i := c.which(key, p, f, "started")
	if i < 0 {
		return
	}
	if f.now[i] == running {
		c.add(key, "starts %s that runs; it must come after a kill", one(f))
	}
	f.now[i] = running
}

func one(f *fleetState) string {
	if len(f.now) > 1 {
		return "an instance"
	}
	return "a gateway"
}

func (c *checker) redis(key string, m moment, f *fleetState) {
	fault := *m.Redis
	switch {
	case c.unread(key):
	case !slices.Contains(redisFaults(), fault.Kind):
		c.add(key+".fault", "is no fault of Redis: %q; %s", fault.Kind, oneOf(fault.Kind, redisFaults()))
	case !fault.Lasts() && fault.For != 0:
		c.add(key+".for", "is for stop, kill and slow; %s is over at once", fault.Kind)
	case fault.Lasts() && fault.For <= 0:
		c.add(key+".for", "must be over 0s, is %v", fault.For)
	case f.length > 0 && m.At+fault.For > f.length:
		c.add(key+".for", "must end with the last phase, in %v, is %v", f.length-m.At, fault.For)
	case m.At < f.redisBack:
		c.add(key, "comes while another fault of Redis lasts, until %v; put it behind", f.redisBack)
	default:
		f.redisBack = m.At + fault.For
	}
}
