package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/simulator"
)

// A ticket that got no pass because the budget was spent has let nobody in: once
// the Captcha API is asked again it counts.
func TestBudget_LeavesATicketBeyondItAsGoodAsItWas(t *testing.T) {
	inHouse(t, func(c *config.Config) {
		c.Scenes["comment"] = policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 1, Per: time.Hour}, For: time.Hour}}
	}, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		h.expect("within the budget", h.ask(h.user("comment", simulator.TicketValid)), "allow degraded_allow degraded forced")
		beyond := h.user("comment", simulator.TicketValid)
		h.expect("beyond it", h.ask(beyond), "challenge challenge_required degraded budget_spent")
		h.throws(`{"mode":"auto","reason":"test"}`)
		time.Sleep(h.cfg.Breaker.Ramp + time.Second) // everybody has returned
		synctest.Wait()
		h.expect("the same ticket, later", h.ask(beyond), "allow verified normal -")
		h.expect("once more", h.ask(beyond), "deny rejected normal -")
	})
}
