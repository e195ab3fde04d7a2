package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/simulator"
)

// Every fault kind of the simulator for a scene of each action, before and
// after the circuit opened. With -v it prints the table.
func TestFaults_WhatEachSceneAnswers(t *testing.T) {
	long(t)
	rows := []string{"| fault | circuit | scene | decision | reason | cause | mode | status | attempts |", "|---|---|---|---|---|---|---|---|---|"}
	for _, kind := range simulator.Kinds()[1:] { // the first is health
		for _, settled := range []bool{false, true} {
			for _, scene := range []string{"comment", "login", "payment"} {
				if settled && scene != "comment" {
					continue // one house for all three
				}
				inHouse(t, nil, func(h *house) {
					scenes := []string{scene}
					if settled {
						h.settles(kind)
						scenes = []string{"comment", "login", "payment"}
					}
					h.breaks(simulator.Fault{Kind: kind})
					for _, scene := range scenes {
						state := h.status()
						a := h.ask(h.user(scene, simulator.TicketValid))
						h.meets(kind, settled, scene, a)
						rows = append(rows, fmt.Sprintf("| `%s` | %s | %s (%s) | %s | %s | %s | %s | %d | %d |", kind, circuitOf(state.Breaker.State, state.Account.State, kind, settled),
							scene, sceneActions[scene], a.Decision, a.Reason, a.Cause, a.Mode, a.Status, a.Attempts))
					}
				})
			}
		}
	}
	t.Log("\n" + strings.Join(rows, "\n"))
}

// circuitOf says in the table where the circuits stood: throttling and a
// refused account do not open that of the API.
func circuitOf(circuit, account string, kind simulator.Kind, settled bool) string {
	switch {
	case account == "refused":
		return circuit + ", account refused"
	case (kind == simulator.Throttle || kind == simulator.HTTP429) && settled:
		return circuit + ", calls held back"
	}
	return circuit
}

// settles lets traffic meet the fault until the gateway has drawn its
// conclusions.
func (h *house) settles(kind simulator.Kind) {
	h.t.Helper()
	h.breaks(simulator.Fault{Kind: kind})
	h.crowd("login", 100, 300*time.Millisecond)
	if causeOf(kind, true) == "circuit_open" {
		h.awaits("open", 4*time.Second)
		return
	}
	if s := h.status(); s.Breaker.State != "closed" {
		h.t.Errorf("%s moved the circuit to %s: %s", kind, s.Breaker.State, s.Breaker.Evidence)
	}
}

// causeOf is the cause that answers name in a fault.
func causeOf(kind simulator.Kind, settled bool) string {
	switch kind {
	case simulator.Throttle, simulator.HTTP429:
		return "throttled"
	case simulator.AuthFailure, simulator.Arrears:
		return "misconfigured"
	}
	if settled || kind == simulator.Hang || kind == simulator.Slow {
		return "circuit_open" // a single call that stands has the circuit opened
	}
	return "upstream_fault"
}

// meets checks one row.
func (h *house) meets(kind simulator.Kind, settled bool, scene string, a answer) {
	h.t.Helper()
	cause := causeOf(kind, settled)
	s := situation{cause: cause, least: "allow"}
	if cause == "throttled" || cause == "misconfigured" {
		s.least = "challenge"
	}
	h.expect(fmt.Sprintf("%s, settled %v, %s", kind, settled, scene), a, s.answers(scene))
	least, most := 1, 3
	switch cause {
	case "throttled":
		least = 0 // little more is sent than the API takes
	case "misconfigured":
		least, most = 1, 1
	}
	if settled && cause != "throttled" {
		least, most = 0, 0
	}
	if a.Attempts < least || a.Attempts > most {
		h.t.Errorf("%s, settled %v, %s: %d attempts, want %d to %d", kind, settled, scene, a.Attempts, least, most)
	}
}

// Users who wait for a hanging API when the circuit opens are let go at once:
// their calls are theirs, and the cause is the circuit.
func TestFaults_WaitingUsersAreReleased(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.crowd("login", 100, time.Second)
		h.breaks(simulator.Fault{Kind: simulator.Hang})
		crowd := h.crowd("comment", 200, time.Second)
		h.all("hanging", crowd, "allow degraded_allow degraded circuit_open")
		sent := map[int]int{}
		for _, a := range crowd {
			sent[a.Attempts]++
			if a.Took > 400*time.Millisecond {
				t.Errorf("a user waited %v", a.Took)
			}
		}
		if len(sent) != 2 || sent[1] < 20 || sent[0] < 50 {
			t.Errorf("users by attempts: %v, want some with one and many with none", sent)
		}
	})
}

// A drill of no share is no drill, and one of a share chooses its users
// stably.
func TestSituations_ADrillTakesItsShare(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"nobody","scene":"comment","share":0}`)
		h.expect("share 0", h.ask(h.user("comment", simulator.TicketValid)), "allow verified normal -")
		h.throws(`{"mode":"degraded","reason":"half","scene":"comment","share":0.5}`)
		h.expect("another scene", h.ask(h.user("login", simulator.TicketValid)), "allow verified normal -")
		var taken []string
		for range 100 {
			f := h.user("comment", simulator.TicketValid)
			if h.ask(f).Cause == "forced" {
				taken = append(taken, f["user_ip"].(string))
			}
		}
		if len(taken) < 30 || len(taken) > 70 {
			t.Errorf("%d of 100 users were drilled", len(taken))
		}
		for range 2 {
			f := h.user("comment", simulator.TicketValid)
			f["user_ip"] = taken[0]
			h.expect("the same user again", h.ask(f), "allow degraded_allow degraded forced")
		}
		if h.status().Mode != "normal" {
			t.Error("a drill changed the process mode")
		}
		slices.Sort(taken)
		if len(slices.Compact(taken)) < 30 {
			t.Errorf("drilled users are not distinct: %v", taken)
		}
	})
}

// S5: a mini program's code 31 refuses the account too, and lets nobody in.
func TestFaults_AMiniProgramInArrears(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.breaks(simulator.Fault{Kind: simulator.Arrears})
		f := h.user("comment", simulator.TicketValid)
		f["type"] = "mini"
		a := h.ask(f)
		if h.expect("mini", a, "challenge challenge_required degraded misconfigured"); a.code() != 31 || a.Attempts != 1 {
			t.Errorf("code %d after %d attempts, want 31 after one", a.code(), a.Attempts)
		}
		if s := h.status(); s.Account.State != "refused" || s.Account.Code != "31" || s.Breaker.State != "closed" {
			t.Errorf("account %+v, circuit %s", s.Account, s.Breaker.State)
		}
		h.sim.ClearFault()
		time.Sleep(2 * time.Second)
		h.expect("paid", h.ask(h.user("comment", simulator.TicketValid)), "allow verified normal -")
	})
}
