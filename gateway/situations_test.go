package gateway_test

import (
	"slices"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/config"
	"captchagate/simulator"
)

// A situation is a row of the contract's table: how it comes about, and what
// each scene answers then.
type situation struct {
	name    string
	config  func(c *config.Config)
	arrange func(h *house)
	ticket  func(h *house, scene string) fields // nil = a new user with a good ticket
	cause   string
	least   string // the mildest action that the cause allows: allow, or challenge
	reason  string // instead of the action's own
	sent    [2]int // attempts, from and to
	code    int    // of the last parsed answer
	unbound bool   // a drill: the switch cannot be thrown over it here
}

var situations = []situation{
	{name: "circuit closed, every attempt faulted", cause: "upstream_fault", least: "allow", sent: [2]int{3, 3},
		arrange: func(h *house) { h.breaks(simulator.Fault{Kind: simulator.HTTP502}) }},
	{name: "circuit closed, the API is busy", cause: "upstream_fault", least: "allow", sent: [2]int{3, 3}, code: captcha.CodeBusy,
		arrange: func(h *house) { h.breaks(simulator.Fault{Kind: simulator.CaptchaCode26}) }},
	{name: "code 9 after an attempt of unknown fate", cause: "upstream_fault", least: "allow", reason: "outcome_unknown", sent: [2]int{1, 1}, code: 9,
		ticket: func(h *house, scene string) fields { return h.lost(scene) }},
	{name: "circuit open", cause: "circuit_open", least: "allow",
		arrange: func(h *house) { h.outage(simulator.Hang) }},
	{name: "circuit half open", cause: "circuit_open", least: "allow",
		arrange: func(h *house) {
			h.outage(simulator.InternalError)
			h.sim.ClearFault()
			h.awaits("half_open", 3*time.Second)
		}},
	{name: "recovering", cause: "recovering", least: "allow",
		arrange: func(h *house) {
			h.outage(simulator.InternalError)
			time.Sleep(10 * time.Second) // a long outage has a long ramp
			h.sim.ClearFault()
			h.awaits("recovering", 5*time.Second)
		}},
	{name: "forced degraded", cause: "forced", least: "allow", unbound: true,
		arrange: func(h *house) { h.throws(`{"mode":"degraded","reason":"test"}`) }},
	{name: "inside a drill's share", cause: "forced", least: "allow", unbound: true,
		arrange: func(h *house) {
			for _, scene := range []string{"comment", "login", "payment"} {
				h.throws(`{"mode":"degraded","reason":"test","scene":"` + scene + `","share":1}`)
			}
		}},
	{name: "disaster ticket that nothing corroborates", cause: "disaster_ticket", least: "challenge", ticket: disasterUser},
	{name: "disaster ticket in an outage, which corroborates nothing", cause: "disaster_ticket", least: "challenge", ticket: disasterUser,
		arrange: func(h *house) { h.outage(simulator.Hang) }},
	{name: "disaster ticket corroborated by the switch", cause: "disaster_ticket", least: "allow", ticket: disasterUser, unbound: true,
		arrange: func(h *house) { h.throws(`{"mode":"degraded","reason":"the script is away"}`) }},
	{name: "the API throttles", cause: "throttled", least: "challenge", sent: [2]int{0, 3},
		arrange: func(h *house) { h.breaks(simulator.Fault{Kind: simulator.Throttle}) }},
	{name: "too many calls in flight", cause: "overloaded", least: "challenge",
		config: func(c *config.Config) { c.Upstream.MaxInFlight = 1 },
		arrange: func(h *house) {
			h.breaks(simulator.Fault{Kind: simulator.Slow, Latency: 400 * time.Millisecond})
			f := h.user("login", simulator.TicketValid)
			h.calls.Go(func() { h.ask(f) })
			time.Sleep(time.Millisecond)
		}},
	{name: "the account is refused, first call", cause: "misconfigured", least: "challenge", sent: [2]int{0, 1},
		arrange: func(h *house) { h.breaks(simulator.Fault{Kind: simulator.AuthFailure}) }},
	{name: "the account is in arrears", cause: "misconfigured", least: "challenge",
		arrange: func(h *house) {
			h.breaks(simulator.Fault{Kind: simulator.Arrears})
			h.ask(h.user("login", simulator.TicketValid))
		}},
}

func disasterUser(h *house, scene string) fields {
	f := h.user(scene, simulator.TicketValid)
	f["ticket"], f["randstr"] = captcha.NewDisasterTicket(1001, simulator.DefaultAppID, time.Now()), "@disaster"
	return f
}

// lost is a user whose ticket the API used up without our hearing of it.
func (h *house) lost(scene string) fields {
	h.t.Helper()
	f := h.user("payment", simulator.TicketValid) // which does not let it through
	h.breaks(simulator.Fault{Kind: simulator.Hang, SpareDisaster: true})
	h.expect("a call that hangs", h.ask(f), "deny degraded_deny "+h.who()+" upstream_fault")
	h.sim.ClearFault()
	f["scene"], f["reference"] = scene, "another request"
	return f
}

// who decides while nobody can verify.
func (h *house) who() string {
	if o := h.status().Override; o != nil && o.Mode.String() == "normal" {
		return "normal"
	}
	return "degraded"
}

// outage breaks the API until the circuit opens.
func (h *house) outage(kind simulator.Kind) {
	h.t.Helper()
	h.breaks(simulator.Fault{Kind: kind})
	h.crowd("login", 100, 300*time.Millisecond)
	h.awaits("open", 4*time.Second)
}

// The actions from the mildest, and the reason that each has of its own.
var (
	actions       = []string{"allow", "challenge", "deny"}
	actionReasons = []string{"degraded_allow", "challenge_required", "degraded_deny"}
	sceneActions  = map[string]string{"comment": "allow", "login": "challenge", "payment": "deny"}
)

// answers is what the scene answers in the situation.
func (s situation) answers(scene string) string {
	n := max(slices.Index(actions, sceneActions[scene]), slices.Index(actions, s.least))
	reason := actionReasons[n]
	if s.reason != "" {
		reason = s.reason
	}
	return actions[n] + " " + reason + " degraded " + s.cause
}

// The contract's table of situations, row by row: for a scene of each action,
// and once more where nobody may stand in for the API.
func TestSituations_EachSceneTakesItsAction(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			inHouse(t, s.config, func(h *house) {
				s.happens(h)
				for _, scene := range []string{"comment", "login", "payment"} {
					s.holds(h, scene, s.answers(scene))
				}
			})
		})
		if s.unbound {
			continue
		}
		t.Run(s.name+", forced normal", func(t *testing.T) {
			inHouse(t, s.config, func(h *house) {
				s.happens(h)
				h.throws(`{"mode":"normal","reason":"test"}`)
				for _, scene := range []string{"comment", "login", "payment"} {
					s.holds(h, scene, "deny degraded_deny normal "+s.cause)
				}
			})
		})
	}
}

func (s situation) happens(h *house) {
	if s.arrange != nil {
		s.arrange(h)
	}
}

func (s situation) asks(h *house, scene string) answer {
	h.t.Helper()
	if s.ticket != nil {
		return h.ask(s.ticket(h, scene))
	}
	return h.ask(h.user(scene, simulator.TicketValid))
}

// holds asks about one user and checks the whole answer.
func (s situation) holds(h *house, scene, want string) {
	h.t.Helper()
	a := s.asks(h, scene)
	for range 20 {
		if s.cause != "recovering" || a.Reason != "verified" {
			break
		}
		a = s.asks(h, scene) // that user was in the share that is sent on
	}
	h.expect(scene, a, want)
	if a.Attempts < s.sent[0] || a.Attempts > s.sent[1] {
		h.t.Errorf("%s: %d attempts, want %v", scene, a.Attempts, s.sent)
	}
	if a.code() != s.code || a.Assurance != "none" {
		h.t.Errorf("%s: code %d and assurance %s, want %d and none", scene, a.code(), a.Assurance, s.code)
	}
	if (a.Challenge != nil) != (a.Decision == "challenge") {
		h.t.Errorf("%s: %s with the challenge %s", scene, a.Decision, a.Challenge)
	}
}
