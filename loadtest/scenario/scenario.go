// Package scenario reads what a load test is to play: phases of traffic and
// faults, what is switched or killed meanwhile, who the users are, and what
// must hold. Files are strict: an unknown key is a mistake, and every mistake
// is told at once with its line and what to do.
package scenario

import (
	"maps"
	"slices"
	"time"

	"captchagate/simulator"
)

// A Scenario is one story of a load test. Read fills what a file leaves out.
type Scenario struct {
	Name    string            `yaml:"name"`    // one word, such as hang
	Title   string            `yaml:"title"`   // one line for a reader who has never seen it
	About   string            `yaml:"about"`   // what is played and what should happen
	Seed    uint64            `yaml:"seed"`    // of everything random; default 1
	API     API               `yaml:"api"`     // the simulated Captcha API in good health
	Gateway map[string]string `yaml:"gateway"` // values over the gateway's defaults, by dotted key

	Instances int       `yaml:"instances"` // of the gateway, behind a load balancer; default 1
	Balance   []float64 `yaml:"balance"`   // each one's share of the requests, by weight; default all alike
	Redis     *Redis    `yaml:"redis"`     // that they share; default none, but where a phase or step breaks it

	// Shadow has the callers use the drop-in of a gateway in shadow, and as many others
	// ask an API of the same kind, and of the same faults, without a gateway.
	Shadow bool `yaml:"shadow"`

	Callers   Callers `yaml:"callers"`   // how patient the backends are
	Users     Weights `yaml:"users"`     // kinds of user by weight; default valid only
	Scenes    Weights `yaml:"scenes"`    // of login, comment, payment; default all alike
	Addresses Crowd   `yaml:"addresses"` // of the users
	Subjects  Crowd   `yaml:"subjects"`  // the users' accounts

	Phases     []Phase     `yaml:"phases"`     // one after the other
	Steps      []Step      `yaml:"steps"`      // what is done at single moments
	Objectives []Objective `yaml:"objectives"` // what must hold

	File   string `yaml:"-"` // as its mistakes name it
	Source string `yaml:"-"` // the file's text
}

// Weights are shares by name; what counts is how they compare.
type Weights map[string]float64

// API is how quick the simulated Captcha API is.
type API struct {
	Latency  time.Duration `yaml:"latency"`  // default 20ms
	Jitter   time.Duration `yaml:"jitter"`   // at most this much on top; default 5ms
	Capacity float64       `yaml:"capacity"` // calls a second, those above wait in line; 0 = unlimited

	// With one of these the gateway resolves a name, and the API is behind it.
	Addresses int           `yaml:"addresses"`  // that the API listens on; default 1
	RoundTrip time.Duration `yaml:"round_trip"` // of each exchange, connecting and TLS included; default none
	TLS       string        `yaml:"tls"`        // the version, 1.2 or 1.3; default plain HTTP
	IdleClose time.Duration `yaml:"idle_close"` // after which the API closes idle connections; default 5m
	Network   Network       `yaml:"network"`    // at the beginning
}

// Network is what lies between the gateway and the API, as PUT /_sim/network
// takes it. Addresses are told by their numbers, from 1.
type Network struct {
	Addresses   []int  `yaml:"addresses"`    // that the API's name has; default all
	BlackHole   []int  `yaml:"black_hole"`   // where nothing that is sent arrives
	Resolver    string `yaml:"resolver"`     // ok, fail or hang; default ok
	ForgetFlows bool   `yaml:"forget_flows"` // every connection that stands is lost, and nobody is told
}

// Callers says how the backends that ask behave.
type Callers struct {
	GiveUp     time.Duration `yaml:"give_up"`     // who has no answer then has none; default 10s
	RetryAfter time.Duration `yaml:"retry_after"` // what users retry and retry_bare wait; default 1s
	Tries      int           `yaml:"tries"`       // of those, the first included; default 3
	HangUp     time.Duration `yaml:"hang_up"`     // what users hang_up wait at most; default 50ms
	Slow       time.Duration `yaml:"slow"`        // what users slow need to send a request; default 1s
}

// Crowd is a number of addresses or accounts of which a few are heavy.
type Crowd struct {
	Count      int     `yaml:"count"`       // default 20000
	Heavy      int     `yaml:"heavy"`       // so many of them
	HeavyShare float64 `yaml:"heavy_share"` // make this share of the requests
}

// A Phase is a stretch of traffic under one state of the API.
type Phase struct {
	Name   string        `yaml:"name"`
	For    time.Duration `yaml:"for"`
	Rate   Rate          `yaml:"rate"`
	Fault  *Fault        `yaml:"fault"`
	Users  Weights       `yaml:"users"`  // in place of the scenario's
	Scenes Weights       `yaml:"scenes"` // in place of the scenario's
	Outage *bool         `yaml:"outage"` // whether nobody can verify; default as the fault says

	Redis *RedisFault `yaml:"redis"` // what Redis meets as the phase begins
	Kill  *Process    `yaml:"kill"`  // what is killed as the phase begins
}

// A Fault is how the API fails, as PUT /_sim/fault takes it.
type Fault struct {
	Kind          string        `yaml:"kind"`
	Share         *float64      `yaml:"share"`
	Latency       time.Duration `yaml:"latency"`
	Consume       *bool         `yaml:"consume"`
	SpareDisaster bool          `yaml:"spare_disaster"`
	Address       int           `yaml:"address"`     // only calls to this one, by its number
	Instances     int           `yaml:"instances"`   // only one of so many behind an address
	Limit         float64       `yaml:"limit"`       // calls a second that are served all the same
	RetryAfter    time.Duration `yaml:"retry_after"` // of http_429
	Capacity      float64       `yaml:"capacity"`    // calls a second that can be worked off meanwhile
}

// A Step happens at one moment; it has exactly one of what follows At.
type Step struct {
	At     time.Duration `yaml:"at"` // from the beginning of the traffic
	Switch *Switch       `yaml:"switch"`
	Kill   *Process      `yaml:"kill"`   // as kill -9 does
	Start  *Process      `yaml:"start"`  // after a kill
	Script string        `yaml:"script"` // what the page script does from now on: ok, not_found, hang, …
	Redis  *RedisFault   `yaml:"redis"`  // what Redis meets

	Network *Network `yaml:"network"` // what lies between from now on
}

// A Switch is thrown over the operators' API, as PUT /admin/v1/mode takes it.
type Switch struct {
	Mode   string        `yaml:"mode"`
	Reason string        `yaml:"reason"`
	For    time.Duration `yaml:"for"`
	Scene  string        `yaml:"scene"`
	Share  *float64      `yaml:"share"`
}

// Length is how long traffic is sent.
func (s Scenario) Length() time.Duration {
	var sum time.Duration
	for _, p := range s.Phases {
		sum += p.For
	}
	return sum
}

// Starts says when each phase begins.
func (s Scenario) Starts() []time.Duration {
	starts := make([]time.Duration, len(s.Phases))
	for i := 1; i < len(s.Phases); i++ {
		starts[i] = starts[i-1] + s.Phases[i-1].For
	}
	return starts
}

// Kills reports whether the gateway is killed in it: then it must be one that
// the load test has started itself.
func (s Scenario) Kills() bool {
	return slices.ContainsFunc(s.Moments(), func(step Step) bool { return step.Kill != nil })
}

// OnNetwork reports whether the API is behind a name, with addresses of its own:
// then it must be one that the load test has started itself.
func (s Scenario) OnNetwork() bool {
	a := s.API
	return a.Addresses > 0 || a.RoundTrip > 0 || a.TLS != "" || a.IdleClose > 0 ||
		slices.ContainsFunc(s.Steps, func(step Step) bool { return step.Network != nil })
}

// OneScene is the scene of all calls, which name none, with shadow.
func (s Scenario) OneScene() string { return slices.Min(slices.Collect(maps.Keys(s.Scenes))) }

// IsOutage reports whether nobody can verify in the phase: every call is hit by
// a fault that gives no verdict in time.
func (p Phase) IsOutage() bool {
	switch {
	case p.Outage != nil:
		return *p.Outage
	case p.Fault == nil || p.Fault.Share != nil && *p.Fault.Share < 1:
		return false
	case p.Fault.Address > 0 || p.Fault.Instances > 1 || p.Fault.Limit > 0:
		return false
	}
	switch simulator.Kind(p.Fault.Kind) {
	case simulator.None:
		return false
	case simulator.Slow:
		return p.Fault.Latency == 0 || p.Fault.Latency > 500*time.Millisecond
	default:
		return true
	}
}

// defaults is what holds if a file says nothing.
func defaults() Scenario {
	return Scenario{
		Seed: 1, Instances: 1,
		API: API{Latency: 20 * time.Millisecond, Jitter: 5 * time.Millisecond},
		Callers: Callers{
			GiveUp: 10 * time.Second, RetryAfter: time.Second, Tries: 3,
			HangUp: 50 * time.Millisecond, Slow: time.Second,
		},
		Users:     Weights{Valid: 1},
		Scenes:    Weights{"login": 1, "comment": 1, "payment": 1},
		Addresses: Crowd{Count: 20_000},
		Subjects:  Crowd{Count: 20_000},
	}
}

// The kinds of user.
const (
	Valid     = "valid"      // a good ticket
	Forged    = "forged"     // a ticket that was never issued
	Expired   = "expired"    // one that is too old
	Replayed  = "replayed"   // one that the gateway has verified before
	Evil      = "evil"       // a good one of a bot: EvilLevel 100
	Foreign   = "foreign"    // a good one of another site's app
	Disaster  = "disaster"   // a disaster ticket, of each form in turn
	Slow      = "slow"       // a good ticket, and a request that arrives slowly
	HangUp    = "hang_up"    // a good ticket, and a caller that goes away
	Retry     = "retry"      // a good ticket, and a caller that repeats, with an Idempotency-Key
	RetryBare = "retry_bare" // the same without the key
)

// Kinds lists the kinds of user.
func Kinds() []string {
	return []string{Valid, Forged, Expired, Replayed, Evil, Foreign, Disaster, Slow, HangUp, Retry, RetryBare}
}

// sceneNames lists the scenes that the gateway under test has: their degraded
// actions are challenge, allow within a budget, and deny.
func sceneNames() []string { return []string{"login", "comment", "payment"} }
