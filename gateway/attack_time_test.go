package gateway_test

import (
	"testing"
	"time"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/simulator"
)

// S2: budget.for bounds how long a scene lets through, whatever lasting cause it
// is for; each has its time, and none spends another's.
func TestAttack_NoLastingCauseLetsThroughWithoutEnd(t *testing.T) {
	briefly := func(c *config.Config) {
		s := c.Scenes["comment"]
		s.Budget.For = 3 * time.Second
		c.Scenes["comment"] = s
	}
	lets := func(h *house, what, cause string, ask func() answer) {
		h.t.Helper()
		h.expect(what+", at first", ask(), "allow degraded_allow degraded "+cause)
		time.Sleep(3 * time.Second)
		for range 20 {
			if got := ask(); got.Decision == "allow" || got.Cause != "budget_spent" {
				h.t.Fatalf("%s, beyond its time: %v", what, got)
			}
			time.Sleep(5 * time.Second)
		}
	}
	inHouse(t, briefly, func(h *house) {
		ticket := func() answer { return h.ask(h.user("comment", simulator.TicketValid)) }
		disaster := func() answer { return h.asksDisaster("comment", forged(time.Now())) }

		h.throws(`{"mode":"degraded","reason":"test","scene":"comment","share":1}`)
		lets(h, "drill", "forced", ticket)
		h.throws(`{"mode":"degraded","reason":"test"}`)
		lets(h, "forced, within the drill", "forced", ticket)
		h.throws(`{"mode":"auto","reason":"test","scene":"comment"}`)
		h.throws(`{"mode":"auto","reason":"test"}`)
		h.awaits("closed", time.Minute)

		h.scriptBreaks(simulator.ScriptNotFound)
		lets(h, "script", "disaster_ticket", disaster)
		h.outage(simulator.HTTP502)
		lets(h, "circuit, while the script is away", "circuit_open", ticket)
	})
}

// A2, S2: whoever brings the gateway down, or waits for a deploy, gets neither a
// verified ticket in again nor a budget anew.
func TestAttack_ARestartHandsNothingOutAnew(t *testing.T) {
	few := func(c *config.Config) {
		s := c.Scenes["comment"]
		s.Budget = policy.Budget{Total: policy.Rate{N: 20, Per: time.Hour}, For: time.Minute}
		c.Scenes["comment"] = s
	}
	inTown(t, few, func(w *town) {
		f := w.user("comment", simulator.TicketValid)
		w.expect("a good ticket", w.ask(f), "allow verified normal -")
		w.throws(`{"mode":"degraded","reason":"test"}`)
		let := 0
		for range 5 {
			time.Sleep(time.Second)
			w.restarts(time.Second)
			for range 10 {
				if w.ask(w.user("comment", simulator.TicketValid)).Decision == "allow" {
					let++
				}
			}
			if got := w.ask(f); got.Decision == "allow" {
				t.Errorf("a ticket that was verified lets in once more: %v", got)
			}
		}
		if let != 20 {
			t.Errorf("five processes let %d in, want 20", let)
		}
	})
}

// A6: a restart does not turn away a user whose ticket an attempt of ours may have
// used up.
func TestAttack_ARestartForgetsNoUnknownFate(t *testing.T) {
	inTown(t, nil, func(w *town) {
		f := w.user("comment", simulator.TicketValid)
		w.hangsUp(f)
		time.Sleep(time.Second)
		w.restarts(time.Second)
		w.expect("after a restart", w.ask(f), "challenge outcome_unknown degraded upstream_fault")
	})
}
