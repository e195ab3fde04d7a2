package policy_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/policy"
)

const (
	beyond     = "challenge challenge_required degraded budget_spent<circuit_open" // of both budgets
	beyondDeny = "deny degraded_deny degraded budget_spent<circuit_open"
	within     = "allow degraded_allow degraded circuit_open"
)

// Loading a configuration again must buy nothing: a budget that stays the same
// keeps what was taken from it, whatever else of the scene changes, and one that
// is wider has only the difference.
func TestReconfigure_RefillsNoBudget(t *testing.T) {
	one, two := policy.Budget{Total: per(1, time.Hour), For: time.Hour}, policy.Budget{Total: per(2, time.Hour), For: time.Hour}
	for _, c := range []struct {
		name                   string
		change                 func(*policy.Scene)
		wantTicket, wantSolved string
	}{
		{"nothing", func(*policy.Scene) {}, beyond, beyond},
		{"over_budget", func(s *policy.Scene) { s.OverBudget = policy.Beyond(policy.Deny) }, beyondDeny, beyondDeny},
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

// S2: whoever tightens or widens a budget while it is spent gives nobody what was
// taken before, and no time that is over.
func TestReconfigure_AChangedBudgetHandsNothingOutAnew(t *testing.T) {
	inBubble(t, func() {
		budget := func(n int, d time.Duration) policy.Scene {
			return policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: per(n, time.Hour), For: d}}
		}
		w := newWorld(budget(3, time.Minute))
		w.fails, w.standing = captcha.CircuitOpen, in(policy.LastingCircuit)
		p, n := w.policy(), 0
		p.Observe()
		lets := func(when string, want int) {
			t.Helper()
			for i := range want + 1 {
				n++
				if got := words(p.Decide(t.Context(), ticket(n))); (got == within) != (i < want) {
					t.Fatalf("%s: ticket %d of %d gets %s", when, i+1, want, got)
				}
			}
		}
		becomes := func(s policy.Scene) {
			w.cfg.Scenes = map[string]policy.Scene{theScene: s}
			p.Reconfigure(w.cfg)
		}
		lets("at first", 3)
		becomes(budget(5, time.Minute))
		lets("two more an hour", 2)
		becomes(budget(2, time.Minute))
		lets("three fewer", 0)
		becomes(budget(6, time.Minute))
		lets("four more, of which the two that are left count as taken", 4)
		time.Sleep(time.Minute)
		becomes(budget(100, time.Minute))
		lets("after its time", 0)
		becomes(budget(100, 2*time.Minute))
		lets("with a minute more", 94)
	})
}

// S2: a restart buys neither passes nor time.
func TestSpendings_OutliveTheProcess(t *testing.T) {
	inBubble(t, func() {
		b := policy.Budget{Total: per(3, time.Hour), For: time.Minute}
		w := newWorld(policy.Scene{Degraded: policy.Allow, Budget: b, ChallengeBudget: b})
		w.fails, w.solution = captcha.CircuitOpen, policy.Solution{Valid: true, Asked: true, Cause: captcha.CauseCircuitOpen}
		w.standing = in(policy.LastingCircuit)
		p := w.policy()
		restart := func(away time.Duration) {
			kept := p.Spendings()
			time.Sleep(away)
			w.reg = prometheus.NewRegistry()
			p = w.policy()
			p.Restore(kept)
			if again := p.Spendings(); !reflect.DeepEqual(again, kept) {
				t.Fatalf("restored %+v, want %+v", again, kept)
			}
			p.Observe()
		}
		decide := func(when string, r policy.Request, want string) {
			t.Helper()
			if got := words(p.Decide(t.Context(), r)); got != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
		}
		p.Observe()
		if kept := p.Spendings(); len(kept) > 0 {
			t.Errorf("nothing was taken, and %+v is kept", kept)
		}
		decide("the first", ticket(1), within)
		decide("the second", ticket(2), within)
		decide("a solution", solved(), passes)
		restart(time.Second)
		decide("the third", ticket(3), within)
		decide("one too many", ticket(4), beyond)
		decide("another solution", solved(), passes)
		restart(time.Minute)
		decide("after its time", ticket(5), beyond)
		decide("a solution after its time", solved(), beyond)
	})
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
