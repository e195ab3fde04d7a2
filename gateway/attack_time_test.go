package gateway_test

import (
	"testing"
	"time"

	"captchagate/config"
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
