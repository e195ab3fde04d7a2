package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"captchagate/challenge"
	"captchagate/config"
	"captchagate/policy"
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
	inHouse(t, func(c *config.Config) { cheap(c); c.Challenge.Secret = challenge.Secrets{"the first secret"} }, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		f := h.user("login", simulator.TicketValid)
		open := h.ask(f)
		h.reloads(func(c *config.Config) { c.Challenge.Secret = challenge.Secrets{"the second secret"} })
		h.expect("a page that was open", h.solves("login", h.solve(open.Challenge), fields{"user_ip": f["user_ip"]}), "allow challenge_solved degraded forced")
		f = h.user("login", simulator.TicketValid)
		next := h.ask(f)
		if kid(t, open.Challenge) == kid(t, next.Challenge) {
			t.Error("the new secret does not sign")
		}
		h.expect("a page opened since", h.solves("login", h.solve(next.Challenge), fields{"user_ip": f["user_ip"]}), "allow challenge_solved degraded forced")
	})
}

// A secret that was changed is dead a minute after the last challenge that it
// signed, and may come back.
func TestChallenge_ARotatedSecretIsDead(t *testing.T) {
	with := func(secrets ...string) func(*config.Config) {
		return func(c *config.Config) { cheap(c); c.Challenge.Secret = secrets }
	}
	inHouse(t, with("the first secret"), func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		signer := func() string { return kid(t, h.ask(h.user("login", simulator.TicketValid)).Challenge) }
		first := signer()
		h.reloads(with("the second secret"))
		second := signer()
		h.reloads(with("the first secret"))
		if got := signer(); got != first {
			t.Errorf("an earlier secret that is loaded again does not sign: %s", got)
		}
		h.reloads(with("the second secret", "the first secret"))
		if got := signer(); got != second {
			t.Errorf("the first of the list does not sign: %s", got)
		}
		h.reloads(with())
		if got := signer(); got == first || got == second {
			t.Error("a secret that was taken out still signs")
		}
	})
}

// Wrong solutions are charged to the household that sends them, by what their
// challenge costs, at the scene's own rate; what is not looked at is not spent, and
// metrics and log tell it from a wrong one.
func TestChallenge_WrongSolutionsAreChargedToTheirSender(t *testing.T) {
	few := func(c *config.Config) {
		cheap(c)
		c.Scenes["login"] = policy.Scene{Degraded: policy.Challenge, ChallengeBudget: policy.Budget{PerIP: policy.Rate{N: 3, Per: time.Hour}}}
	}
	inHouse(t, few, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		failed, sender := "deny challenge_failed degraded forced", fields{"user_ip": "192.0.2.1"}
		fails := func(name, solution, why string) {
			h.t.Helper()
			a := h.solves("login", solution, sender)
			h.expect(name, a, failed)
			if line := h.lineOf("decision_id=" + a.ID); !strings.Contains(line, `why="solution: `+why+`"`) {
				h.t.Errorf("%s: %q is missing in %q", name, why, line)
			}
		}
		for i, why := range []string{"wrong", "wrong", "wrong", "rate_limited", "rate_limited"} {
			fails(fmt.Sprint("made up, ", i), h.spoilt(h.solve(h.puzzle("login"))), why)
		}
		good := h.solve(h.puzzle("login"))
		fails("a good one of the same household", good, "rate_limited")
		h.expect("the same of a neighbour: it was not spent", h.solves("login", good, fields{"user_ip": "192.0.2.2"}), "allow challenge_solved degraded forced")
		for result, want := range map[string]string{"wrong": "3", "rate_limited": "3", "spent": "0", "solved": "1"} {
			if line := `captchagate_challenges_total{result="` + result + `"} ` + want + "\n"; !strings.Contains(h.metrics(), line) {
				t.Errorf("the metrics do not say %s", line)
			}
		}
	})
}

// spoilt is a solution with another counter.
func (h *house) spoilt(solution string) string {
	h.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(solution)
	if err != nil {
		h.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(regexp.MustCompile(`"counter":\d+`).ReplaceAll(raw, []byte(`"counter":4000000000`)))
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
