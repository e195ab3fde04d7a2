package scenario

import (
	"maps"
	"slices"
	"strings"
)

// shadowKinds are the kinds of user whose calls go to two APIs alike.
var shadowKinds = []string{Valid, Forged, Expired, Evil}

// shadow checks that both APIs, the one behind the gateway and the one without, can be
// given the same.
func (c *checker) shadow(s Scenario) {
	refuse := func(key, what string) { c.add(key, "does not go with shadow: %s", what) }
	if s.OnNetwork() {
		refuse("api", "the API that is asked directly has no name or network")
	}
	if s.Instances > 1 || s.HasRedis() {
		refuse("instances", "one gateway is compared with none")
	}
	if s.Kills() {
		refuse("kill", "what is without a gateway cannot be killed")
	}
	if len(s.Scenes) != 1 {
		c.add("scenes", "must be one with shadow, such as {comment: 1}: calls of an SDK name none")
	}
	c.inShadow("users", s.Users)
	for _, p := range s.Phases {
		c.inShadow("phases.users", p.Users)
		if p.Scenes != nil {
			refuse("phases.scenes", "calls of an SDK name none")
		}
	}
}

func (c *checker) inShadow(key string, users Weights) {
	for _, kind := range slices.Sorted(maps.Keys(users)) {
		if !slices.Contains(shadowKinds, kind) {
			c.add(key+"."+kind, "does not go with shadow; these do: %s", strings.Join(shadowKinds, ", "))
		}
	}
}
