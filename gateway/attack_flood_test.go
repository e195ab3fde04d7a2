package gateway_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/config"
	"captchagate/policy"
	"captchagate/simulator"
)

// stays checks that nothing moved the circuit or counts against the API.
func (h *house) stays(after string) {
	h.t.Helper()
	if s := h.status(); s.Breaker.State != "closed" || s.Breaker.Failures != 0 || s.Breaker.ConsecutiveFailures != 0 || len(s.Breaker.Transitions) != 0 || s.Account.State != "ok" {
		h.t.Errorf("after %s: %+v %+v", after, s.Breaker, s.Account)
	}
}

// C9: junk, used and forged tickets and those of another site, at ten times
// the traffic, open no circuit and keep nobody out.
func TestAttack_JunkOpensNoCircuit(t *testing.T) {
	inHouse(t, twoApps, func(h *house) {
		junk := []func() fields{
			func() fields { return fields{"ticket": "", "randstr": ""} },
			func() fields { return fields{"ticket": strings.Repeat("x", 3000), "randstr": "@x"} },
			func() fields { return fields{"ticket": "tr03\x00\u2028", "randstr": "@x"} },
			func() fields { return fields{"ticket": "tr03junk", "randstr": "@junk"} },
			func() fields { return fields{"challenge": "bm90IGEgc29sdXRpb24="} },
			func() fields { return h.user("comment", simulator.TicketForged) },
			func() fields { return h.user("comment", simulator.TicketExpired) },
			func() fields { return h.user("comment", simulator.TicketUsed) },
			func() fields { return h.userOf(secondApp, "comment") }, // another site's
		}
		first := h.user("comment", simulator.TicketValid) // a pass, which proves the app's key (O1)
		first["captcha_app_id"] = simulator.DefaultAppID
		h.expect("the first", h.ask(first), "allow verified normal -")
		answers := make([]answer, 10*len(junk))
		var wg sync.WaitGroup
		for i := range answers {
			f := junk[i%len(junk)]()
			f["scene"], f["user_ip"], f["captcha_app_id"] = "comment", fmt.Sprintf("10.7.%d.1", i), simulator.DefaultAppID
			wg.Go(func() { answers[i] = h.ask(f) })
			time.Sleep(2 * time.Millisecond)
		}
		wg.Wait()
		for i, a := range answers {
			if a.Status != 200 || a.Decision != "deny" {
				t.Errorf("junk %d: %d %v", i%len(junk), a.Status, a)
			}
		}
		h.stays("junk")
		f := h.user("comment", simulator.TicketValid)
		f["captcha_app_id"] = simulator.DefaultAppID
		h.expect("everybody else", h.ask(f), "allow verified normal -")
	})
}

// One ticket that the API chokes on opens no circuit, however often and from
// wherever it comes: the tickets of everybody else speak for the API.
func TestAttack_OnePoisonousTicketOpensNoCircuit(t *testing.T) {
	inTown(t, nil, func(w *town) {
		poison := w.user("comment", simulator.TicketValid)
		w.poisons(poison["ticket"].(string))
		var answers []answer
		for i := range 100 {
			f := fields{"scene": "comment", "ticket": poison["ticket"], "randstr": poison["randstr"], "user_ip": fmt.Sprintf("10.8.%d.1", i)}
			answers = append(answers, w.ask(f))
			time.Sleep(30 * time.Millisecond)
		}
		if w.choked() == 0 {
			t.Fatal("the API never choked")
		}
		if b := w.status().Breaker; b.State != "closed" || b.ConsecutiveFailures > 1 || len(b.Transitions) != 0 {
			t.Errorf("%+v", b)
		}
		got := count(answers)
		if passed := got["allow degraded_allow degraded upstream_fault"]; passed != 1 {
			t.Errorf("it let %d in, want one: %v", passed, got)
		}
		w.all("everybody else", w.crowd("login", 50, time.Second), "allow verified normal -")
	})
}

// S8: a flood that brings the API to throttle us, or our calls to their limit,
// buys no pass: whoever comes then pays with a challenge, four times as dear.
func TestAttack_AFloodBuysNoPass(t *testing.T) {
	for name, row := range map[string]struct {
		cause   string
		config  func(c *config.Config)
		arrange func(h *house)
	}{
		"throttled": {"throttled", nil, func(h *house) { h.breaks(simulator.Fault{Kind: simulator.Throttle}) }},
		"overloaded": {"overloaded", func(c *config.Config) { c.Upstream.MaxInFlight = 5 }, func(h *house) {
			h.breaks(simulator.Fault{Kind: simulator.None, Latency: 400 * time.Millisecond})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, row.config, func(h *house) {
				row.arrange(h)
				answers := h.crowd("comment", 100, 2*time.Second)
				got := count(answers)
				turned := got["challenge challenge_required degraded "+row.cause]
				if turned < 100 || turned+got["allow verified normal -"] != len(answers) {
					t.Errorf("got %v, want challenges and verified users only", got)
				}
				for _, a := range answers {
					if a.Challenge != nil && !strings.Contains(string(a.Challenge), `"cost":20000`) {
						t.Fatalf("a challenge at another price: %s", a.Challenge)
					}
				}
				if s := h.status().Breaker; s.State != "closed" {
					t.Errorf("circuit %s: %s", s.State, s.Evidence)
				}
			})
		})
	}
}

// S5: a refused account lets nobody through, whatever the scene, and nobody can
// bring a refusal about with a ticket.
func TestAttack_ARefusedAccountLetsNobodyThrough(t *testing.T) {
	for _, kind := range []simulator.Kind{simulator.AuthFailure, simulator.Arrears} {
		inHouse(t, nil, func(h *house) {
			h.breaks(simulator.Fault{Kind: kind})
			h.all(string(kind), h.crowd("comment", 50, 2*time.Second), "challenge challenge_required degraded misconfigured")
			h.all(string(kind), h.crowd("payment", 50, time.Second), "deny degraded_deny degraded misconfigured")
			h.expect("forged", h.asksDisaster("comment", forged(time.Now())), "challenge challenge_required degraded disaster_ticket")
			if s := h.status(); s.Account.State != "refused" || s.Breaker.State != "closed" {
				t.Errorf("%s: %+v, circuit %s", kind, s.Account, s.Breaker.State)
			}
		})
	}
}

// S2: 10,000 addresses at 1,000 a second get the scene's total and no more, and
// nothing once its time is up.
func TestAttack_TenThousandAddressesGetTheTotal(t *testing.T) {
	total := func(c *config.Config) {
		c.Scenes["comment"] = policy.Scene{Degraded: policy.Allow, OverBudget: policy.Beyond(policy.Deny), Budget: policy.Budget{
			PerIP: policy.Rate{N: 10, Per: time.Minute}, Total: policy.Rate{N: 200, Per: time.Second}, For: 15 * time.Minute,
		}}
	}
	inHouse(t, total, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"the script is away"}`)
		h.public = h.g.Handler() // other tests look at the form of answers
		floods := func(n int) (passed int) {
			for i := range n {
				f := fields{"scene": "comment", "ticket": captcha.NewDisasterTicket(1001, simulator.DefaultAppID, time.Now()), "randstr": "@x", "user_ip": fmt.Sprintf("10.%d.%d.1", i/250, i%250)}
				if h.ask(f).Decision == "allow" {
					passed++
				}
				time.Sleep(time.Millisecond)
			}
			return passed
		}
		if passed := floods(10_000); passed < 2178 || passed > 2222 { // a burst of 200, and 200/s for 10 s
			t.Errorf("%d of 10,000 passed, want 2,200", passed)
		}
		time.Sleep(15 * time.Minute)
		if passed := floods(500); passed != 0 {
			t.Errorf("%d passed when the time was up", passed)
		}
	})
}
