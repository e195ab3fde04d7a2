package gateway_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/public"
	"captchagate/simulator"
)

// knocks asks for n challenges from a peer, each with other headers, and counts
// what was refused for its rate.
func (h *house) knocks(peer string, n int, headers func(i int) []string) (refused int) {
	h.t.Helper()
	for i := range n {
		switch w := h.from(peer, "GET", "/v1/challenge?scene=login", "", headers(i)...); w.Code {
		case 200:
		case 429:
			refused++
		default:
			h.t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	return refused
}

// An address in X-Forwarded-For is believed from trusted proxies only, and then
// only what they wrote themselves.
func TestAttack_AMadeUpForwardedForIsNotBelieved(t *testing.T) {
	const visitor = "203.0.113.7"
	forwarded := func(pattern string) func(i int) []string {
		return func(i int) []string { return []string{"X-Forwarded-For", fmt.Sprintf(pattern, i)} }
	}
	t.Run("no trusted proxies", func(t *testing.T) {
		inHouse(t, nil, func(h *house) {
			h.throws(`{"mode":"degraded","reason":"test"}`)
			if n := h.knocks(visitor+":1", 100, forwarded("198.51.%d.1")); n != 40 {
				t.Errorf("one visitor of many names: %d of 100 refused, want 40", n)
			}
			if n := h.knocks("203.0.200.8:1", 20, func(int) []string { return []string{"X-Forwarded-For", visitor} }); n != 0 {
				t.Errorf("%d refused for what was done in another's name", n)
			}
		})
	})
	behind := func(c *config.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	}
	for name, row := range map[string]struct {
		peer    string
		headers func(i int) []string
		refused int // of 100
	}{
		"behind a proxy, made up on the left": {"10.1.0.1:1", forwarded("198.51.%d.1, " + visitor), 40},
		"behind two proxies":                  {"10.1.0.1:1", forwarded("198.51.%d.1, " + visitor + ", 10.1.0.2"), 40},
		"in two headers":                      {"10.1.0.1:1", func(i int) []string { return append(forwarded("198.51.%d.1")(i), "X-Forwarded-For", visitor) }, 40},
		"from beside the proxy":               {"192.0.2.1:1", forwarded("198.51.%d.1"), 40},
		"an IPv4 proxy on an IPv6 socket":     {"[::ffff:10.1.0.1]:1", forwarded("198.51.%d.1, " + visitor), 40},
		"no address at all":                   {"10.1.0.1:1", forwarded("198.51.%d.1, <script>"), 40},
		"one household of IPv6":               {"[fd00::1]:1", forwarded("2001:db8::%d"), 40},
		"other headers": {visitor + ":1", func(i int) []string {
			return []string{"X-Real-Ip", fmt.Sprintf("198.51.%d.1", i), "Forwarded", fmt.Sprintf("for=198.51.%d.1", i)}
		}, 40},
		"true visitors, each one of its network": {"10.1.0.1:1", forwarded("198.51.%d.1"), 0},
		"the same, with ports":                   {"10.1.0.1:1", forwarded("198.51.%d.1:51234"), 0},
		"one visitor from many ports":            {"10.1.0.1:1", forwarded(visitor + ":51%03d"), 40},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, behind, func(h *house) {
				h.throws(`{"mode":"degraded","reason":"test"}`)
				if n := h.knocks(row.peer, 100, row.headers); n != row.refused {
					t.Errorf("%d of 100 refused, want %d", n, row.refused)
				}
			})
		})
	}
}

// For a backend's request only user_ip counts, not where it came from.
func TestAttack_AForwardedForBuysNoBudget(t *testing.T) {
	inHouse(t, tight, func(h *house) {
		h.outage(simulator.HTTP502)
		var answers []answer
		for i := range 10 {
			f := h.user("comment", simulator.TicketValid)
			f["user_ip"] = "192.0.2.1"
			answers = append(answers, h.ask(f, "X-Forwarded-For", fmt.Sprintf("198.51.%d.1", i)))
		}
		if got := count(answers); got["allow degraded_allow degraded circuit_open"] != 2 || got["deny degraded_deny degraded budget_spent"] != 8 {
			t.Errorf("%v, want 2 and 8", got)
		}
	})
}

// Another caller's Idempotency-Key gives nothing: not its answer, not its pass,
// not its scenes, and no way to hold it up.
func TestAttack_AnotherCallersIdempotencyKeyGivesNothing(t *testing.T) {
	two := func(c *config.Config) {
		c.APIKeys = []public.APIKey{{Name: "shop", Key: "shop-key-0123456789"}, {Name: "blog", Key: "blog-key-0123456789", Scenes: []string{"comment"}}}
	}
	shop := []string{"Idempotency-Key", "order-1", "Authorization", "Bearer shop-key-0123456789"}
	blog := []string{"Idempotency-Key", "order-1", "Authorization", "Bearer blog-key-0123456789"}
	inHouse(t, two, func(h *house) {
		h.breaks(simulator.Fault{Kind: simulator.HTTP502})
		f := h.user("comment", simulator.TicketValid)
		first := h.ask(f, shop...)
		h.expect("shop", first, "allow degraded_allow degraded upstream_fault")
		stolen := h.ask(f, blog...)
		if h.expect("blog, with all that shop sent", stolen, "deny rejected normal -"); stolen.Replay || stolen.ID == first.ID {
			t.Errorf("blog got shop's answer: %+v", stolen)
		}
		if a := h.ask(h.user("login", simulator.TicketValid), blog...); a.Status != 403 {
			t.Errorf("blog asked about shop's scene: %d", a.Status)
		}
		if a := h.ask(f, "Idempotency-Key", "order-1"); a.Status != 401 {
			t.Errorf("nobody's key: %d", a.Status)
		}
		if again := h.ask(f, shop...); !again.Replay || again.ID != first.ID {
			t.Errorf("shop's own was lost: %+v", again)
		}
	})
}

// A dead store lets nobody through unverified, answers everybody, and keeps
// nobody from being verified.
func TestAttack_ADeadStoreLetsNobodyThrough(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		before := h.user("comment", simulator.TicketValid)
		h.expect("before", h.ask(before), "allow degraded_allow degraded forced")
		solution := h.solve(h.puzzle("login"))
		h.throws(`{"mode":"auto","reason":"test"}`)
		h.awaits("closed", time.Minute)
		h.outage(simulator.HTTP502)
		if err := h.g.BreakStore(); err != nil {
			t.Fatal(err)
		}
		h.all("comments", h.crowd("comment", 50, time.Second), "challenge challenge_required degraded budget_spent")
		h.all("logins", h.crowd("login", 50, time.Second), "challenge challenge_required degraded circuit_open")
		h.all("payments", h.crowd("payment", 50, time.Second), "deny degraded_deny degraded circuit_open")
		h.expect("a ticket that was let through", h.ask(before), "deny rejected normal -")
		h.expect("a solution", h.solves("login", solution), "deny challenge_failed degraded forced")
		h.expect("a solution once more", h.solves("login", solution), "deny challenge_failed degraded forced")
		if w, _ := h.send(h.public, "GET", "/v1/challenge?scene=login", ""); w.Code != 200 {
			t.Errorf("a page got %d", w.Code)
		}
		h.sim.ClearFault()
		h.awaits("closed", time.Minute)
		h.all("verified again", h.crowd("comment", 50, time.Second), "allow verified normal -")
	})
}
