package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/config"
	"captchagate/policy"
	"captchagate/simulator"
)

// The attacks of the threat model, each on the whole service. None gets more
// than the contract allows.

// forged is a disaster ticket that is as good as any that a page makes up.
func forged(at time.Time) string {
	return captcha.NewDisasterTicket(1001, simulator.DefaultAppID, at)
}

// scriptBreaks takes the page's script away, and waits until the gateway has
// seen for itself that it is.
func (h *house) scriptBreaks(kind simulator.ScriptKind) {
	h.t.Helper()
	time.Sleep(time.Second) // the first probe sees it well
	if err := h.sim.SetScriptFault(simulator.ScriptFault{Kind: kind}); err != nil {
		h.t.Fatal(err)
	}
	time.Sleep(time.Minute)
	if h.series("captchagate_script_down")[""] != 1 {
		h.t.Fatalf("the gateway did not see that the script is away (%s)", kind)
	}
}

// floods asks about a scene with n forged disaster tickets, from one address
// each, and counts the answers.
func (h *house) floods(scene string, n int) map[string]int {
	h.t.Helper()
	answers := make([]answer, n)
	for i := range answers {
		answers[i] = h.asksDisaster(scene, forged(time.Now()))
	}
	return count(answers)
}

// A forged disaster ticket in peace buys no pass.
func TestAttack_AForgedDisasterTicketInPeaceBuysNoPass(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		for scene, want := range map[string]string{
			"comment": "challenge challenge_required degraded disaster_ticket",
			"login":   "challenge challenge_required degraded disaster_ticket",
			"payment": "deny degraded_deny degraded disaster_ticket",
		} {
			if got := h.floods(scene, 50); got[want] != 50 {
				t.Errorf("%s: %v", scene, got)
			}
		}
		h.untouched("forged disaster tickets")
	})
}

// An outage of the verification API says nothing of the script: a forged
// disaster ticket buys no pass in it, and costs its bearer the scene's pass.
func TestAttack_AForgedDisasterTicketInAnOutageOfTheAPIBuysNoPass(t *testing.T) {
	for _, kind := range []simulator.Kind{simulator.Hang, simulator.InternalError} {
		inHouse(t, nil, func(h *house) {
			h.outage(kind)
			if got := h.floods("comment", 50); got["challenge challenge_required degraded disaster_ticket"] != 50 {
				t.Errorf("%s: comment: %v", kind, got)
			}
			if got := h.floods("payment", 50); got["deny degraded_deny degraded disaster_ticket"] != 50 {
				t.Errorf("%s: payment: %v", kind, got)
			}
			h.expect("a real ticket", h.ask(h.user("comment", simulator.TicketValid)), "allow degraded_allow degraded circuit_open")
		})
	}
}

// In an outage of the script a disaster ticket takes the scene's action, and
// one that cannot be true, or comes again, does not.
func TestAttack_AForgedDisasterTicketInAnOutageOfTheScriptGetsTheScenesActionAtMost(t *testing.T) {
	for _, kind := range []simulator.ScriptKind{simulator.ScriptNotFound, simulator.ScriptHang} {
		inHouse(t, nil, func(h *house) {
			h.scriptBreaks(kind)
			now := time.Now()
			const helped, paid = "allow degraded_allow degraded disaster_ticket", "challenge challenge_required degraded disaster_ticket"
			h.expect("as a page makes it", h.asksDisaster("comment", forged(now)), helped)
			h.expect("where a challenge is due", h.asksDisaster("login", forged(now)), paid)
			h.expect("where nobody passes", h.asksDisaster("payment", forged(now)), "deny degraded_deny degraded disaster_ticket")

			f := h.user("comment", simulator.TicketValid)
			f["ticket"], f["randstr"] = forged(now), "@one"
			h.expect("once", h.ask(f), helped)
			h.expect("again", h.ask(f), paid)
			f["scene"] = "login"
			h.expect("again, elsewhere", h.ask(f), paid)

			for name, ticket := range map[string]string{
				"another app's":        captcha.NewDisasterTicket(1001, 190000009, now),
				"of an unknown code":   captcha.NewDisasterTicket(1999, simulator.DefaultAppID, now),
				"too old":              forged(now.Add(-301 * time.Second)),
				"from ahead":           forged(now.Add(62 * time.Second)),
				"ten minutes ahead":    forged(now.Add(10 * time.Minute)),
				"ten minutes behind":   forged(now.Add(-10 * time.Minute)),
				"ahead, no app id":     disasterTicket("trerror_1001_T", 0, now.Add(10*time.Minute)),
				"behind, glued":        disasterTicket("terror_1001_AT", simulator.DefaultAppID, now.Add(-10*time.Minute)),
				"another app's, glued": disasterTicket("terror_1001_AT", 190000009, now),
			} {
				h.expect(string(kind)+", "+name, h.asksDisaster("comment", ticket), paid)
			}
			h.expect("of no form", h.asksDisaster("comment", "trerror_1001_never_mind"), "deny rejected normal -")

			if err := h.sim.SetScriptFault(simulator.ScriptFault{Kind: simulator.ScriptOK}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(12 * time.Second)
			h.expect("the script is back", h.asksDisaster("comment", forged(time.Now())), paid)
		})
	}
}

// What configuration makes stricter is stricter in both cases, and never
// milder than the scene.
func TestAttack_AForgedDisasterTicketMeetsTheStricterOfScenesAndConfiguration(t *testing.T) {
	strict := func(c *config.Config) {
		c.DisasterTickets.WhenCorroborated, c.DisasterTickets.Otherwise = policy.DisasterAction(policy.Challenge), policy.DisasterAction(policy.Deny)
	}
	inHouse(t, strict, func(h *house) {
		h.expect("in peace", h.asksDisaster("comment", forged(time.Now())), "deny degraded_deny degraded disaster_ticket")
		h.scriptBreaks(simulator.ScriptNotFound)
		h.expect("corroborated", h.asksDisaster("comment", forged(time.Now())), "challenge challenge_required degraded disaster_ticket")
		h.expect("corroborated, payment", h.asksDisaster("payment", forged(time.Now())), "deny degraded_deny degraded disaster_ticket")
		h.expect("too old", h.asksDisaster("comment", forged(time.Now().Add(-time.Hour))), "deny degraded_deny degraded disaster_ticket")
		h.throws(`{"mode":"normal","reason":"a raid"}`)
		h.expect("forced normal", h.asksDisaster("comment", forged(time.Now())), "deny degraded_deny normal disaster_ticket")
	})
}

// A gateway whose own way out is broken from the start corroborates nothing,
// and two failures are not three.
func TestAttack_AScriptThatWasNeverSeenCorroboratesNothing(t *testing.T) {
	const paid = "challenge challenge_required degraded disaster_ticket"
	unreachable := func(c *config.Config) { c.ScriptProbe.URL = "http://captcha.test/nowhere.js" }
	inHouse(t, unreachable, func(h *house) {
		time.Sleep(5 * time.Minute)
		h.expect("never seen", h.asksDisaster("comment", forged(time.Now())), paid)
	})
	inHouse(t, nil, func(h *house) {
		time.Sleep(time.Second)
		if err := h.sim.SetScriptFault(simulator.ScriptFault{Kind: simulator.ScriptNotFound}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			failed := h.series("captchagate_script_probes_total")[`result="failed"`]
			for h.series("captchagate_script_probes_total")[`result="failed"`] == failed {
				time.Sleep(100 * time.Millisecond)
			}
			h.expect("not yet", h.asksDisaster("comment", forged(time.Now())), paid)
		}
	})
}

// tight gives the comments a budget that a flood can use up.
func tight(c *config.Config) {
	c.Scenes["comment"] = policy.Scene{Degraded: policy.Allow, OverBudget: policy.Beyond(policy.Deny), Budget: policy.Budget{
		PerIP: policy.Rate{N: 2, Per: time.Minute}, PerSubject: policy.Rate{N: 1, Per: time.Minute},
		Total: policy.Rate{N: 20, Per: time.Minute}, For: 15 * time.Minute,
	}}
}

// Beyond the budget a forged disaster ticket gets what the scene does then, by
// address, subject and in total.
func TestAttack_ForgedDisasterTicketsDoNotGetBeyondTheBudget(t *testing.T) {
	inHouse(t, tight, func(h *house) {
		h.scriptBreaks(simulator.ScriptNotFound)
		const helped, over = "allow degraded_allow degraded disaster_ticket", "deny degraded_deny degraded budget_spent"
		one := func(ip, subject string, n int) map[string]int {
			var answers []answer
			for i := range n {
				f := fields{"scene": "comment", "ticket": forged(time.Now()), "randstr": fmt.Sprint("@", i), "user_ip": ip, "subject": fmt.Sprint("user ", i)}
				if subject != "" {
					f["subject"], f["user_ip"] = subject, fmt.Sprintf("10.%d.9.1", i)
				}
				answers = append(answers, h.ask(f))
			}
			return count(answers)
		}
		if got := one("192.0.2.1", "", 10); got[helped] != 2 || got[over] != 8 {
			t.Errorf("one address: %v", got)
		}
		if got := one("", "anna", 10); got[helped] != 1 || got[over] != 9 {
			t.Errorf("one subject: %v", got)
		}
		if got := h.floods("comment", 100); got[helped] != 17 || got[over] != 83 {
			t.Errorf("many addresses, of 20 a minute 3 are gone: %v", got)
		}
	})
}
