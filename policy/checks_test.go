package policy_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"captchagate/policy"
)

// checksOf are what a scene charges wrong solutions to.
func checksOf(t *testing.T, budget policy.Budget) *policy.Checks {
	t.Helper()
	c := &charger{}
	w := newWorld(policy.Scene{Degraded: policy.Challenge, ChallengeBudget: budget})
	ports := policy.Ports{Situation: w, Challenger: c, Ledger: w, Passes: w, Refusals: &w.refusals}
	policy.New(w, ports, w.cfg, nil, slog.New(slog.DiscardHandler), w.reg).Decide(t.Context(), solved())
	return c.checks
}

type charger struct {
	world
	checks *policy.Checks
}

func (c *charger) Check(_ context.Context, _ string, b policy.Binding) policy.Solution {
	c.checks = b.Checks
	return policy.Solution{}
}

func TestChecks_ChargeAddressAndNetwork(t *testing.T) {
	inBubble(t, func() {
		c := checksOf(t, policy.Budget{PerIP: per(4, time.Minute)})
		takes := func(what, ip string, tokens int, want bool) {
			t.Helper()
			if got := c.Take(netip.MustParseAddr(ip), tokens); got != want {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		takes("a dear one", "2001:db8::1", 4, true)
		takes("the same household", "2001:db8::ffff", 1, false)
		c.Return(netip.MustParseAddr("2001:db8::2"), 4)
		takes("after it was given back", "2001:db8::1", 3, true)
		time.Sleep(time.Minute)
		takes("dearer than a full bucket", "2001:db8::1", 16, true)
		takes("which took all of it", "2001:db8::1", 1, false)
		for i := range 15 { // of the 16 households that the network may be
			takes("a neighbour", netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: byte(i + 1)}).String(), 4, true)
		}
		takes("one neighbour too many", "2001:db8:0:ffff::1", 1, false)
		takes("another network", "2001:db8:1::1", 4, true)
	})
}

// Who bounds only the total of a scene has not allowed everybody to have us
// check without end.
func TestChecks_HaveARateInEveryScene(t *testing.T) {
	inBubble(t, func() {
		for name, solved := range map[string]policy.Budget{"none said": {}, "only a total": {Total: per(100, time.Second)}} {
			c, n := checksOf(t, solved), 0
			for c.Take(alice, 1) && n < 1000 {
				n++
			}
			if n != 240 {
				t.Errorf("%s: %d wrong solutions, want 240", name, n)
			}
		}
	})
}
