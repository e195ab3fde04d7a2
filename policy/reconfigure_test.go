package policy_test

import (
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/policy"
)

const (
	beyond     = "challenge challenge_required degraded budget_spent<circuit_open" // of both budgets
	beyondDeny = "deny degraded_deny degraded budget_spent<circuit_open"
	within     = "allow degraded_allow degraded circuit_open"
)

// Loading a configuration again must buy nothing: a budget that stays the same
// keeps what was taken from it, whatever else of the scene changes. A budget
// that changes begins anew, and the other does not.
func TestReconfigure_RefillsNoBudget(t *testing.T) {
	one, two := policy.Budget{Total: per(1, time.Hour), For: time.Hour}, policy.Budget{Total: per(2, time.Hour), For: time.Hour}
	for _, c := range []struct {
		name                   string
		change                 func(*policy.Scene)
		wantTicket, wantSolved string
	}{
		{"nothing", func(*policy.Scene) {}, beyond, beyond},
		{"over_budget", func(s *policy.Scene) { s.OverBudget = policy.Deny }, beyondDeny, beyondDeny},
		{"the budget", func(s *policy.Scene) { s.Budget = two }, within, beyond},
		{"the challenge budget", func(s *policy.Scene) { s.ChallengeBudget = two }, beyond, passes},
	} {
		s := policy.Scene{Degraded: policy.Allow, Budget: one, ChallengeBudget: one}
		w := newWorld(s)
		w.fails, w.solution = captcha.CircuitOpen, policy.Solution{Valid: true, Asked: true, Cause: captcha.CauseCircuitOpen}
		p := w.policy()
		for n, want := range []string{within, beyond} {
			if got := words(p.Decide(t.Context(), ticket(n))); got != want {
				t.Fatalf("ticket %d: %s, want %s", n+1, got, want)
			}
		}
		if got := words(p.Decide(t.Context(), solved())); got != passes {
			t.Fatalf("a solution: %s, want %s", got, passes)
		}
		c.change(&s)
		w.cfg.Scenes = map[string]policy.Scene{theScene: s}
		p.Reconfigure(w.cfg)
		if got := words(p.Decide(t.Context(), ticket(10))); got != c.wantTicket {
			t.Errorf("%s was changed: a ticket gets %s, want %s", c.name, got, c.wantTicket)
		}
		if got := words(p.Decide(t.Context(), solved())); got != c.wantSolved {
			t.Errorf("%s was changed: a solution gets %s, want %s", c.name, got, c.wantSolved)
		}
	}
}

func TestReconfigure_TakesScenesOverAtOnce(t *testing.T) {
	w := newWorld(challenges)
	w.fails = captcha.CircuitOpen
	p := w.policy()
	if s, ok := p.Scene(theScene); !ok || s != challenges {
		t.Errorf("%+v %v", s, ok)
	}
	if s, ok := p.Scene("other"); ok || s != (policy.Scene{}) {
		t.Errorf("%+v %v", s, ok)
	}
	w.cfg.Scenes = map[string]policy.Scene{theScene: denies, "other": challenges}
	p.Reconfigure(w.cfg)
	if got := words(p.Decide(t.Context(), ticket(1))); got != "deny degraded_deny degraded circuit_open" {
		t.Error(got)
	}
	if s, ok := p.Scene("other"); !ok || s != challenges {
		t.Errorf("%+v %v", s, ok)
	}
}

// Both budgets of a scene learn when all is well again, and give their time
// anew only after as long.
func TestObserve_ReachesBothBudgets(t *testing.T) {
	b := policy.Budget{Total: per(1000, time.Second), For: time.Minute}
	inBubble(t, func() {
		w := newWorld(policy.Scene{Degraded: policy.Allow, Budget: b, ChallengeBudget: b})
		w.fails, w.solution = captcha.CircuitOpen, policy.Solution{Valid: true, Asked: true, Cause: captcha.CauseCircuitOpen}
		p, n := w.policy(), 0
		both := func(when, wantTicket, wantSolved string) {
			t.Helper()
			n++
			if got := words(p.Decide(t.Context(), ticket(n))); got != wantTicket {
				t.Errorf("%s, a ticket: %s, want %s", when, got, wantTicket)
			}
			if got := words(p.Decide(t.Context(), solved())); got != wantSolved {
				t.Errorf("%s, a solution: %s, want %s", when, got, wantSolved)
			}
		}
		w.standing = in(policy.LastingCircuit)
		p.Observe()
		both("at first", within, passes)
		time.Sleep(time.Minute)
		both("after for", beyond, beyond)
		w.standing = in()
		p.Observe()
		time.Sleep(time.Minute - 1)
		both("soon after all is well", beyond, beyond)
		time.Sleep(1)
		both("when all was well for as long", within, passes)
	})
}
