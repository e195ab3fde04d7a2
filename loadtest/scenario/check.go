package scenario

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"captchagate/simulator"
	"captchagate/strictyaml"
)

// What a scenario may ask for at most: tickets are issued before the traffic
// begins and are good for five minutes, and everything sent is kept in memory.
const (
	MaxLength   = 4 * time.Minute
	MaxRequests = 500_000

	maxAddresses = 8
	maxInstances = 9
)

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// checker gathers mistakes by key.
type checker struct {
	mistakes []error               // each "key: what is wrong and what to do"
	unread   func(key string) bool // it, what is around it or in it could not be read
}

func (c *checker) add(key, format string, args ...any) {
	c.mistakes = append(c.mistakes, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

// check finds what is wrong beyond the form of single values. What follows only
// from something that could not be read is no mistake of its own.
func (s Scenario) check(unread func(key string) bool) error {
	c := checker{unread: unread}
	if !namePattern.MatchString(s.Name) {
		c.add("name", "must be small letters, digits and -, such as hang; is %q", s.Name)
	}
	if s.Title == "" {
		c.add("title", "is missing; say in one line what is played")
	}
	if s.API.Latency < 0 || s.API.Jitter < 0 || s.API.Capacity < 0 {
		c.add("api", "must have no negative value")
	}
	c.network(s)
	c.fleet(s)
	if s.Shadow {
		c.shadow(s)
	}
	c.callers(s.Callers)
	c.weights("users", s.Users, Kinds())
	c.weights("scenes", s.Scenes, sceneNames())
	c.crowd("addresses", s.Addresses)
	c.crowd("subjects", s.Subjects)
	c.phases(s)
	c.steps(s)
	c.objectives(s)
	return errors.Join(c.mistakes...)
}

// network checks the way to the API, and what steps make of it.
func (c *checker) network(s Scenario) {
	a := s.API
	if a.Addresses < 0 || a.Addresses > maxAddresses {
		c.add("api.addresses", "must be between 1 and %d, is %d", maxAddresses, a.Addresses)
	}
	if a.RoundTrip < 0 || a.IdleClose < 0 || a.RoundTrip > time.Minute {
		c.add("api", "must have a round_trip up to 1m and an idle_close over 0s")
	}
	if a.TLS != "" && a.TLS != "1.2" && a.TLS != "1.3" {
		c.add("api.tls", "must be \"1.2\" or \"1.3\", is %q", a.TLS)
	}
	c.roads("api.network", a.Network, a)
	if a.Network.ForgetFlows {
		c.add("api.network.forget_flows", "has nothing to forget at the beginning; make it a step")
	}
	for i, step := range s.Steps {
		if step.Network != nil {
			c.roads(fmt.Sprintf("steps[%d].network", i), *step.Network, a)
		}
	}
}

func (c *checker) roads(key string, n Network, a API) {
	err := simulator.Network{Addresses: n.Addresses, BlackHole: n.BlackHole, Resolver: simulator.Resolver(n.Resolver)}.Validate()
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			field, text, _ := strings.Cut(line, ": ")
			c.add(key+"."+field, "%s", text)
		}
	}
	for _, number := range slices.Concat(n.Addresses, n.BlackHole) {
		if number > max(a.Addresses, 1) {
			c.add(key, "names address %d of %d; give api.addresses more", number, max(a.Addresses, 1))
		}
	}
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
			c.add(key+"."+name, "is not known; %s", oneOf(name, known))
		}
		if w[name] < 0 {
			c.add(key+"."+name, "must not be negative, is %v", w[name])
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
			total += p.Rate.Requests(min(p.For, MaxLength))
		}
		if p.Users != nil {
			c.weights(at+".users", p.Users, Kinds())
		}
		if p.Scenes != nil {
			c.weights(at+".scenes", p.Scenes, sceneNames())
		}
		c.fault(at+".fault", p.Fault)
		if p.Fault != nil && p.Fault.Address > max(s.API.Addresses, 1) {
			c.add(at+".fault.address", "is %d of %d; give api.addresses more", p.Fault.Address, max(s.API.Addresses, 1))
		}
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
		Address: f.Address, Instances: f.Instances, Limit: f.Limit, RetryAfter: f.RetryAfter, Capacity: f.Capacity,
	}.Validate()
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		field, text, _ := strings.Cut(line, ": ")
		if meant := strictyaml.Nearest(f.Kind, kinds()); field == "kind" && meant != "" {
			text = fmt.Sprintf("is no fault of the simulator: %q; did you mean %s?", f.Kind, meant)
		}
		c.add(key+"."+field, "%s", text)
	}
}

func (c *checker) objectives(s Scenario) {
	if len(s.Objectives) == 0 {
		c.add("objectives", "is missing; without one nothing is tested, begin with \"useful >= 100%%\"")
	}
	outage := slices.ContainsFunc(s.Phases, Phase.IsOutage)
	var names []string
	for _, p := range s.Phases {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	for i, o := range s.Objectives {
		at := fmt.Sprintf("objectives[%d]", i)
		known := slices.Contains(names, o.Phase)
		switch {
		case o.NeedsShadow() && !s.Shadow:
			c.add(at, "needs shadow: true, so that callers use the drop-in of a gateway in shadow")
		case o.Phase != "" && !known && c.isRead(s, "name"):
			c.add(at, "names the phase %q, which there is not; %s", o.Phase, oneOf(o.Phase, names))
		case o.NeedsOutage() && !outage && c.isRead(s, "fault") && c.isRead(s, "outage"):
			c.add(at, "needs an outage, and no phase is one; mark it with outage: true")
		}
	}
}

// isRead reports whether a field of every phase could be read, so that what is
// not there is known not to be.
func (c *checker) isRead(s Scenario, field string) bool {
	for i := range s.Phases {
		if c.unread(fmt.Sprintf("phases[%d].%s", i, field)) {
			return false
		}
	}
	return len(s.Phases) > 0 // else what is missing is a phase
}

// oneOf says what a name could have been.
func oneOf(name string, known []string) string {
	if meant := strictyaml.Nearest(name, known); meant != "" {
		return "did you mean " + meant + "?"
	}
	return "here are " + strings.Join(known, ", ")
}

func kinds() (names []string) {
	for _, k := range simulator.Kinds() {
		names = append(names, string(k))
	}
	return names
}
