package gateway_test

import (
	"testing"
	"time"

	"captchagate/simulator"
)

// The story of an outage, from the first good ticket to the last: what the
// users of three scenes get, what operators see, and what reaches the API.
func TestGateway_TheStoryOfAnOutage(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		// Healthy: the Captcha API decides, and nobody stands in for it.
		h.expect("good ticket", h.ask(h.user("login", simulator.TicketValid)), "allow verified normal -")
		h.expect("forged ticket", h.ask(h.user("login", simulator.TicketForged)), "deny rejected normal -")
		h.expect("evil ticket", h.ask(h.user("login", simulator.TicketEvil)), "deny malicious normal -")
		h.all("healthy", h.crowd("login", 200, 10*time.Second), "allow verified normal -")
		h.mode("normal", "closed")

		// Fault: the API hangs. Users in flight are released when the circuit
		// opens, 250 ms later; those after them are answered at once.
		h.breaks(simulator.Fault{Kind: simulator.Hang})
		h.sim.ResetStats()
		h.all("hanging", h.crowd("login", 200, 5*time.Second), "challenge challenge_required degraded circuit_open")
		h.mode("degraded", "open")
		if n := h.sim.Stats().Requests; n > 200/2+10 {
			t.Errorf("%d calls reached the API in 5 s of hang", n)
		}

		// Degraded: every scene does what it does then, at once.
		for scene, want := range map[string]string{
			"login":   "challenge challenge_required degraded circuit_open",
			"comment": "allow degraded_allow degraded circuit_open",
			"payment": "deny degraded_deny degraded circuit_open",
		} {
			a := h.ask(h.user(scene, simulator.TicketValid))
			h.expect(scene, a, want)
			if a.Took > 5*time.Millisecond || a.Attempts != 0 {
				t.Errorf("%s: answered after %v and %d attempts", scene, a.Took, a.Attempts)
			}
		}

		// A switch is thrown: nobody may stand in for the API. It dominates,
		// and the breaker goes on underneath.
		h.throws(`{"mode":"normal","reason":"a raid is going on","for":"5s"}`)
		h.mode("normal", "open")
		h.expect("forced normal", h.ask(h.user("comment", simulator.TicketValid)), "deny degraded_deny normal circuit_open")
		time.Sleep(5 * time.Second)
		h.expect("it lapsed", h.ask(h.user("comment", simulator.TicketValid)), "allow degraded_allow degraded circuit_open")

		// Healed: probes notice, without any user, within 1.5 s.
		h.sim.ClearFault()
		if took := h.awaits("half_open", 2*time.Second); took > 1500*time.Millisecond {
			t.Errorf("left open after %v", took)
		}
		h.awaits("recovering", time.Second)
		h.mode("degraded", "recovering")

		// Ramp: a growing share of users is sent on, the others get what they
		// got before.
		early := count(h.crowd("login", 200, 200*time.Millisecond))
		if sent := early["allow verified normal -"]; sent == 0 || sent > 15 {
			t.Errorf("%d of the first 40 users were sent on: %v", sent, early)
		}
		if early["allow verified normal -"]+early["challenge challenge_required degraded recovering"] != 40 {
			t.Errorf("ramp: %v", early)
		}
		h.crowd("login", 200, 1800*time.Millisecond)

		// Closed: everything is as it was, two seconds after it left open (C7).
		h.all("healthy again", h.crowd("login", 200, time.Second), "allow verified normal -")
		h.mode("normal", "closed")
		h.tells("closed→open", "open→half_open", "half_open→recovering", "recovering→closed")
	})
}

// expect checks what one user got.
func (h *house) expect(who string, a answer, want string) {
	h.t.Helper()
	if a.String() != want {
		h.t.Errorf("%s: got %q, want %q", who, a, want)
	}
}

// all checks that every user of a crowd got the same.
func (h *house) all(when string, crowd []answer, want string) {
	h.t.Helper()
	if got := count(crowd); len(got) != 1 || got[want] != len(crowd) {
		h.t.Errorf("%s: got %v, want %d × %q", when, got, len(crowd), want)
	}
}

// mode checks what operators see.
func (h *house) mode(mode, circuit string) {
	h.t.Helper()
	if s := h.status(); s.Mode != mode || s.Breaker.State != circuit {
		h.t.Errorf("status: mode %s and circuit %s, want %s and %s", s.Mode, s.Breaker.State, mode, circuit)
	}
}

// tells checks the transitions that the status shows, oldest first.
func (h *house) tells(want ...string) {
	h.t.Helper()
	shown := h.status().Breaker.Transitions
	got := make([]string, len(shown))
	for i, tr := range shown {
		got[len(shown)-1-i] = tr.From + "→" + tr.To
		if tr.Evidence == "" {
			h.t.Errorf("%s→%s came without evidence", tr.From, tr.To)
		}
	}
	if len(got) != len(want) {
		h.t.Fatalf("transitions %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			h.t.Errorf("transitions %v, want %v", got, want)
		}
	}
}
