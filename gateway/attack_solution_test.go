package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/challenge"
	"captchagate/config"
	"captchagate/policy"
	"captchagate/simulator"
)

// asked is the challenge that a decision gave a user, solved, with whose it is.
func (h *house) asked(f fields) (solution string, whose fields) {
	h.t.Helper()
	a := h.ask(f)
	if a.Challenge == nil {
		h.t.Fatalf("no challenge: %v", a)
	}
	whose = maps.Clone(f)
	delete(whose, "ticket")
	delete(whose, "randstr")
	whose["challenge"] = h.solve(a.Challenge)
	return whose["challenge"].(string), whose
}

// A stock of solutions gathered in peace opens nothing in an outage: pages get
// no challenge then, and one that a forged ticket bought is its buyer's alone.
func TestAttack_AStockOfSolutionsFromPeaceOpensNothing(t *testing.T) {
	long(t)
	inHouse(t, cheap, func(h *house) {
		if status, _ := h.fetches("login"); status != 409 {
			t.Fatalf("a page got a challenge in peace: %d", status)
		}
		var stock []fields
		gathers := func(n int) {
			for range n {
				f := h.user("login", simulator.TicketValid)
				f["ticket"] = forged(time.Now())
				_, whose := h.asked(f)
				stock = append(stock, whose)
			}
		}
		gathers(20)
		time.Sleep(5 * time.Minute) // they get old
		gathers(20)
		h.outage(simulator.Hang)
		for i, whose := range stock {
			f := maps.Clone(whose)
			if f["user_ip"] = fmt.Sprintf("192.0.2.%d", i); i < 20 {
				f = whose
			}
			h.expect("of the stock", h.ask(f), "deny challenge_failed degraded disaster_ticket")
		}
		a := h.ask(stock[20])
		if h.expect("a fresh one, by its buyer", a, "allow challenge_solved degraded disaster_ticket"); a.Assurance != "reduced" {
			t.Errorf("assurance %s", a.Assurance)
		}
	})
}

// Solutions that pages fetched where there was an outage open nothing at an
// instance that met none, although the signature, the scene and the time are
// right.
func TestAttack_SolutionsFromElsewhereOpenNothingInPeace(t *testing.T) {
	shared := func(c *config.Config) {
		cheap(c)
		c.Challenge.Secret = challenge.Secrets{"one secret of all instances"}
	}
	inTown(t, shared, func(w *town) {
		w.throws(`{"mode":"degraded","reason":"test"}`)
		stock := []string{w.solve(w.puzzle("login")), w.solve(w.puzzle("login"))}
		w.end()
		w.cfg.Store.Path += ".another"
		w.starts()
		w.expect("in peace", w.solves("login", stock[0]), "deny challenge_failed degraded forced")
		w.throws(`{"mode":"degraded","reason":"test"}`)
		w.expect("in an outage", w.solves("login", stock[1]), "allow challenge_solved degraded forced")
	})
}

// One solution on 200 requests at once lets one in: of one address, of 200,
// fetched by a page or given by a decision.
func TestAttack_OneSolutionOnManyRequestsLetsOneIn(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		h.outage(simulator.HTTP502)
		_, mine := h.asked(h.user("login", simulator.TicketValid))
		for name, f := range map[string]fields{
			"of a page":     {"scene": "login", "challenge": h.solve(h.puzzle("login")), "user_ip": "192.0.2.1"},
			"of a decision": mine,
		} {
			got := count(h.atOnce(f))
			if got["allow challenge_solved degraded circuit_open"] != 1 || got["deny challenge_failed degraded circuit_open"] != 199 {
				t.Errorf("%s: %v", name, got)
			}
		}
		answers := make([]answer, 200)
		solution := h.solve(h.puzzle("login"))
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = h.solves("login", solution, fields{"user_ip": fmt.Sprintf("10.0.%d.1", i)}) })
		}
		wg.Wait()
		if got := count(answers); got["allow challenge_solved degraded circuit_open"] != 1 || got["deny challenge_failed degraded circuit_open"] != 199 {
			t.Errorf("from 200 addresses: %v", got)
		}
	})
}

// A solution opens the scene it was issued for, and where a backend asked, for
// that household only. An attempt with it elsewhere spends nothing.
func TestAttack_ASolutionOpensNothingElse(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		h.outage(simulator.HTTP502)
		f := h.user("login", simulator.TicketValid)
		f["subject"] = "anna"
		_, mine := h.asked(f)
		page := fields{"scene": "login", "challenge": h.solve(h.puzzle("login")), "user_ip": "192.0.2.7"}
		failed := "deny challenge_failed degraded circuit_open"
		for name, change := range map[string]fields{
			"another scene": {"scene": "default"}, "one that allows": {"scene": "comment"}, "one that denies": {"scene": "payment"},
		} {
			for _, f := range []fields{mine, page} {
				f = maps.Clone(f)
				maps.Copy(f, change)
				h.expect(name, h.ask(f), failed)
			}
		}
		for name, change := range map[string]fields{
			"another address":           {"user_ip": "192.0.2.9"},
			"mapped address of another": {"user_ip": "::ffff:192.0.2.9"},
		} {
			f := maps.Clone(mine)
			maps.Copy(f, change)
			h.expect(name, h.ask(f), failed)
		}
		h.expect("its own", h.ask(mine), "allow challenge_solved degraded circuit_open")
		h.expect("the page's own", h.ask(page), "allow challenge_solved degraded circuit_open")
	})
}

// Solved challenges have a budget too, and a page's are spent against the
// address of whoever brings them.
func TestAttack_SolvingManyDoesNotGetBeyondTheBudget(t *testing.T) {
	bounded := func(c *config.Config) {
		cheap(c)
		c.Scenes["login"] = policy.Scene{Degraded: policy.Challenge, ChallengeBudget: policy.Budget{
			PerIP: policy.Rate{N: 3, Per: time.Minute}, Total: policy.Rate{N: 5, Per: time.Minute},
		}}
	}
	inHouse(t, bounded, func(h *house) {
		h.outage(simulator.HTTP502)
		const solved, over = "allow challenge_solved degraded circuit_open", "deny degraded_deny degraded budget_spent"
		var one, others []answer
		for i := range 6 {
			one = append(one, h.solves("login", h.solve(h.puzzle("login"))))
			others = append(others, h.solves("login", h.solve(h.puzzle("login")), fields{"user_ip": fmt.Sprintf("10.0.%d.1", i)}))
		}
		if got := count(one); got[solved] != 3 || got[over] != 3 {
			t.Errorf("one address: %v", got)
		}
		if got := count(others); got[solved] != 2 || got[over] != 4 {
			t.Errorf("many addresses, of 5 a minute 3 are gone: %v", got)
		}
	})
}

// The scene is the backend's word: nothing that a page sends chooses it, not a
// rewritten challenge, not a field hidden in the ticket, not the address.
func TestAttack_ThePageDoesNotNameTheScene(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		h.outage(simulator.HTTP502)
		hidden := `{"v":1,"scene":"comment","ticket":"` + h.user("comment", simulator.TicketValid)["ticket"].(string) + `"}`
		for name, f := range map[string]fields{
			"a ticket that is JSON":     {"ticket": hidden},
			"as a hidden field":         {"ticket": base64.RawURLEncoding.EncodeToString([]byte(hidden))},
			"a randstr that names it":   {"ticket": h.user("payment", simulator.TicketValid)["ticket"], "randstr": "scene=comment"},
			"a disaster ticket of it":   {"ticket": forged(time.Now()) + "_scene=comment"},
			"a challenge of the scene":  {"challenge": h.solve(h.puzzle("login"))},
			"a challenge that is a lie": {"challenge": h.renamed(h.solve(h.puzzle("login")), "login", "payment")},
		} {
			if f["scene"], f["user_ip"] = "payment", "192.0.2.1"; f["challenge"] == nil && f["randstr"] == nil {
				f["randstr"] = "@x"
			}
			body, _ := json.Marshal(f)
			w, _ := h.send(h.public, "POST", "/v1/verify?scene=comment", string(body), "Content-Type", "application/json",
				"X-Scene", "comment", "Referer", "https://shop.test/?scene=comment", "Cookie", "scene=comment")
			if a := h.answered(name, w); a.Decision != "deny" {
				t.Errorf("%s: %v", name, a)
			}
		}
		lie := h.renamed(h.solve(h.puzzle("login")), "login", "default")
		h.expect("renamed to one that challenges", h.solves("default", lie), "deny challenge_failed normal -")
	})
}

// renamed is a solution whose challenge says another scene.
func (h *house) renamed(solution, from, to string) string {
	h.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(solution)
	if err != nil {
		h.t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), `"scene":"`+from+`"`, `"scene":"`+to+`"`)
	if text == string(raw) {
		h.t.Fatalf("no scene in %s", raw)
	}
	return base64.StdEncoding.EncodeToString([]byte(text))
}

// A scene that denies lets nobody in whom the API did not verify.
func TestAttack_NothingOpensAPayment(t *testing.T) {
	inHouse(t, cheap, func(h *house) {
		never := func(when string, f fields, header ...string) {
			h.t.Helper()
			if a := h.ask(f, header...); a.Decision != "deny" || a.Challenge != nil || a.Status != 200 {
				t.Errorf("%s: %d %v", when, a.Status, a)
			}
		}
		h.throws(`{"mode":"degraded","reason":"test"}`)
		solutions := []string{h.solve(h.puzzle("login")), h.solve(h.puzzle("default"))}
		all := func(when string) {
			h.t.Helper()
			never(when+", good ticket", h.user("payment", simulator.TicketValid), "Idempotency-Key", "k-"+when)
			never(when+", disaster ticket", disasterUser(h, "payment"))
			for _, s := range solutions {
				never(when+", solution", fields{"scene": "payment", "challenge": s, "user_ip": "192.0.2.1"})
			}
		}
		all("forced degraded")
		if status, _ := h.fetches("payment"); status != 409 {
			t.Errorf("a page got a challenge for it: %d", status)
		}
		h.throws(`{"mode":"auto","reason":"test"}`)
		h.awaits("closed", time.Minute)
		for _, kind := range []simulator.Kind{simulator.Throttle, simulator.AuthFailure} {
			h.breaks(simulator.Fault{Kind: kind})
			all(string(kind))
		}
		h.sim.ClearFault()
		time.Sleep(5 * time.Second)
		h.outage(simulator.Hang)
		all("circuit open")
		h.scriptBreaks(simulator.ScriptNotFound)
		all("script away")
		h.throws(`{"mode":"degraded","reason":"test","scene":"payment","share":1}`)
		all("drill")
	})
}
