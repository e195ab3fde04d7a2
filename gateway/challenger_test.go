package gateway_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"captchagate/config"
	"captchagate/simulator"
)

// The more challenges one network asks for, the dearer they get for it, and
// for nobody else.
func TestChallenge_GetsDearerForWhoAsksForMany(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		cost := func(ip string) int {
			f := h.user("login", simulator.TicketValid)
			f["user_ip"] = ip
			var c struct{ Parameters struct{ Cost int } }
			if err := json.Unmarshal(h.ask(f).Challenge, &c); err != nil {
				t.Fatal(err)
			}
			return c.Parameters.Cost
		}
		for n, want := range map[int]int{1: 5000, 30: 5000, 31: 10000, 121: 20000} {
			var got int
			for range n {
				got = cost(fmt.Sprintf("10.%d.0.1", n))
			}
			if got != want {
				t.Errorf("the %d. challenge within a minute costs %d, want %d", n, got, want)
			}
		}
		if got := cost("192.0.2.1"); got != 5000 {
			t.Errorf("somebody else pays %d", got)
		}
	})
}

// A new secret signs from the reload on; pages that are open go on.
func TestChallenge_SecretsCanBeChangedUnderOpenPages(t *testing.T) {
	inHouse(t, func(c *config.Config) { cheap(c); c.Challenge.Secret = "the first secret" }, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		f := h.user("login", simulator.TicketValid)
		open := h.ask(f)
		h.reloads(func(c *config.Config) { c.Challenge.Secret = "the second secret" })
		h.expect("a page that was open", h.solves("login", h.solve(open.Challenge), fields{"user_ip": f["user_ip"]}), "allow challenge_solved degraded forced")
		f = h.user("login", simulator.TicketValid)
		next := h.ask(f)
		if kid(t, open.Challenge) == kid(t, next.Challenge) {
			t.Error("the new secret does not sign")
		}
		h.expect("a page opened since", h.solves("login", h.solve(next.Challenge), fields{"user_ip": f["user_ip"]}), "allow challenge_solved degraded forced")
	})
}

// kid is which key signed.
func kid(t *testing.T, puzzle json.RawMessage) string {
	t.Helper()
	var c struct {
		Parameters struct{ Data struct{ Kid string } }
	}
	if err := json.Unmarshal(puzzle, &c); err != nil {
		t.Fatal(err)
	}
	return c.Parameters.Data.Kid
}
