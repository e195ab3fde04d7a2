package policy_test

import (
	"fmt"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/policy"
)

// This is the specification of decisions: for what the Captcha API or the
// breaker says, in each kind of scene and under each force, what a user gets.
// It is the contract's table of situations, read from left to right.

// A row says what users get, as words has it.
type row struct {
	name    string
	verdict captcha.Outcome
	fails   captcha.Kind

	allow, challenge, deny string // by the scene's action, while nothing is forced
	over                   string // in a scene that allows, beyond its budget
	overDeny               string // the same, with over_budget: deny
	normal                 string // in each scene, while normal is forced
	dear                   bool   // a challenge costs four times as much
}

var table = []row{
	{
		name: "the API passes the ticket", verdict: captcha.Passed, fails: noKind,
		allow: "allow verified normal", challenge: "allow verified normal", deny: "allow verified normal",
		over: "allow verified normal", overDeny: "allow verified normal", normal: "allow verified normal",
	},
	{
		name: "the API rejects the ticket", verdict: captcha.Rejected, fails: noKind,
		allow: "deny rejected normal", challenge: "deny rejected normal", deny: "deny rejected normal",
		over: "deny rejected normal", overDeny: "deny rejected normal", normal: "deny rejected normal",
	},
	{
		name: "the API calls the user malicious", verdict: captcha.Malicious, fails: noKind,
		allow: "deny malicious normal", challenge: "deny malicious normal", deny: "deny malicious normal",
		over: "deny malicious normal", overDeny: "deny malicious normal", normal: "deny malicious normal",
	},
	scenesOwn("every attempt faulted", captcha.Fault, "upstream_fault"),
	scenesOwn("the circuit is open", captcha.CircuitOpen, "circuit_open"),
	scenesOwn("the user is not yet in the share", captcha.Recovering, "recovering"),
	neverAllow("the API throttles", captcha.Throttled, "throttled", true),
	neverAllow("too many calls are in flight", captcha.Overloaded, "overloaded", true),
	neverAllow("the account is refused", captcha.Misconfigured, "misconfigured", false),
	{
		name: "the ticket's fate is unknown", fails: captcha.OutcomeUnknown,
		allow: "allow outcome_unknown degraded upstream_fault", challenge: "challenge outcome_unknown degraded upstream_fault",
		deny: "deny outcome_unknown degraded upstream_fault",
		over: "challenge outcome_unknown degraded budget_spent<upstream_fault", overDeny: "deny outcome_unknown degraded budget_spent<upstream_fault",
		normal: "deny degraded_deny normal upstream_fault",
	},
	{
		name: "the caller went away", fails: captcha.Cancelled,
		allow: "deny degraded_deny degraded upstream_fault", challenge: "deny degraded_deny degraded upstream_fault",
		deny: "deny degraded_deny degraded upstream_fault",
		over: "deny degraded_deny degraded upstream_fault", overDeny: "deny degraded_deny degraded upstream_fault",
		normal: "deny degraded_deny normal upstream_fault",
	},
}

// scenesOwn is a failure that takes the scene's action.
func scenesOwn(name string, k captcha.Kind, cause string) row {
	return row{
		name: name, fails: k,
		allow: "allow degraded_allow degraded " + cause, challenge: "challenge challenge_required degraded " + cause,
		deny: "deny degraded_deny degraded " + cause,
		over: "challenge challenge_required degraded budget_spent<" + cause, overDeny: "deny degraded_deny degraded budget_spent<" + cause,
		normal: "deny degraded_deny normal " + cause,
	}
}

// neverAllow is a failure that takes the scene's action with at most a challenge.
func neverAllow(name string, k captcha.Kind, cause string, dear bool) row {
	return row{
		name: name, fails: k, dear: dear,
		allow: "challenge challenge_required degraded " + cause, challenge: "challenge challenge_required degraded " + cause,
		deny: "deny degraded_deny degraded " + cause,
		over: "challenge challenge_required degraded " + cause, overDeny: "challenge challenge_required degraded " + cause,
		normal: "deny degraded_deny normal " + cause,
	}
}

// scenes are one for each column of the table.
var (
	allows     = policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: per(5, time.Hour), For: time.Hour}}
	challenges = policy.Scene{Degraded: policy.Challenge}
	denies     = policy.Scene{Degraded: policy.Deny}
	spent      = policy.Scene{Degraded: policy.Allow, Budget: noBudget}
	spentDeny  = policy.Scene{Degraded: policy.Allow, Budget: noBudget, OverBudget: policy.Beyond(policy.Deny)}
	noBudget   = policy.Budget{Total: policy.Rate{N: -1, Per: time.Hour}}
)

func (r row) columns() []struct {
	scene policy.Scene
	want  string
} {
	return []struct {
		scene policy.Scene
		want  string
	}{{allows, r.allow}, {challenges, r.challenge}, {denies, r.deny}, {spent, r.over}, {spentDeny, r.overDeny}}
}

func TestDecide_IsAsTheTableSays(t *testing.T) {
	kinds := map[captcha.Kind]bool{}
	for _, r := range table {
		kinds[r.fails] = true
		for _, c := range r.columns() {
			w := newWorld(c.scene)
			w.fails, w.verdict = r.fails, captcha.Verdict{Outcome: r.verdict, Answer: &captcha.Answer{Code: 7}, Attempts: 2}
			d := w.policy().Decide(t.Context(), ticket(1))
			name := fmt.Sprintf("%s, the scene has %v", r.name, c.scene.Degraded)
			if got := words(d); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
			}
			if w.asked != 1 || d.Attempts != 2 || d.Answer == nil || d.Answer.Code != 7 {
				t.Errorf("%s: asked %d times, attempts %d, answer %v", name, w.asked, d.Attempts, d.Answer)
			}
			w.fits(t, name, d, r.dear)

			w.force = policy.ForceNormal
			if got := words(w.policyAnew().Decide(t.Context(), ticket(2))); got != r.normal {
				t.Errorf("%s, normal is forced:\n got %s\nwant %s", name, got, r.normal)
			}
		}
	}
	for _, k := range captcha.Kinds() {
		if !kinds[k] {
			t.Errorf("the table has no row for %v", k)
		}
	}
}

// Whatever the Captcha API would say, nobody asks it while degraded is forced.
func TestDecide_AsksNobodyWhileDegradedIsForced(t *testing.T) {
	forced := scenesOwn("degraded is forced", captcha.CircuitOpen, "forced")
	for _, r := range table {
		for i, c := range forced.columns() {
			w := newWorld(c.scene)
			w.fails, w.verdict, w.force = r.fails, captcha.Verdict{Outcome: r.verdict}, policy.ForceDegraded
			d := w.policy().Decide(t.Context(), ticket(1))
			if got := words(d); got != c.want || w.asked != 0 || d.Attempts != 0 || d.Answer != nil {
				t.Errorf("%s, column %d: asked %d times, %+v\n got %s\nwant %s", r.name, i+1, w.asked, d, got, c.want)
			}
			w.fits(t, r.name, d, false)
		}
	}
}

// fits says whether what goes with the action of d is there.
func (w *world) fits(t *testing.T, name string, d policy.Decision, dear bool) {
	t.Helper()
	assurance := policy.AssuranceNone
	switch d.Reason {
	case policy.ReasonVerified:
		assurance = policy.AssuranceFull
	case policy.ReasonChallengeSolved:
		assurance = policy.AssuranceReduced
	}
	if d.Assurance != assurance {
		t.Errorf("%s: assurance %s, want %s", name, d.Assurance, assurance)
	}
	if (d.Challenge != nil) != (d.Action == policy.Challenge) {
		t.Errorf("%s: %v with the challenge %v", name, d.Action, d.Challenge)
	}
	if d.Challenge == nil {
		return
	}
	factor, cause := 1, d.Cause
	if dear {
		factor = 4
	}
	if cause == captcha.CauseBudgetSpent {
		cause = d.DegradedBy
	}
	if w.factor != factor || w.issued.Scene != theScene || w.issued.Cause != cause || w.issued.User.Subject != "alice" {
		t.Errorf("%s: a challenge of factor %d for %+v, want %d", name, w.factor, w.issued, factor)
	}
}

// policyAnew is another policy of the same world.
func (w *world) policyAnew() *policy.Policy {
	w.reg = newWorld(policy.Scene{}).reg
	return w.policy()
}

// What is no ticket at all, or let somebody in before, is rejected without a question.
func TestDecide_RejectsWithoutAsking(t *testing.T) {
	for name, change := range map[string]func(*world, *policy.Request){
		"no ticket":                    func(_ *world, r *policy.Request) { r.Ticket.Value = "" },
		"a randstr that cannot be one": func(_ *world, r *policy.Request) { r.Ticket.Randstr = "a b" },
		"no form of a disaster ticket": func(_ *world, r *policy.Request) { r.Ticket.Value = "trerror_x" },
		"a disaster ticket's randstr": func(_ *world, r *policy.Request) {
			r.Ticket.Value, r.Ticket.Randstr = "trerror_1001_190000001_1767323045", "a b"
		},
		"it let somebody in unverified":       func(w *world, r *policy.Request) { w.let[r.Ticket.Key()] = true },
		"the same in a time of forced normal": func(w *world, r *policy.Request) { w.let[r.Ticket.Key()], w.force = true, policy.ForceNormal },
	} {
		w, r := newWorld(allows), ticket(1)
		w.verdict = captcha.Verdict{Outcome: captcha.Passed}
		change(w, &r)
		if d := w.policy().Decide(t.Context(), r); words(d) != "deny rejected normal" || w.asked != 0 || d.ID == "" || d.Attempts != 0 || d.Answer != nil {
			t.Errorf("%s: %s, asked %d times", name, words(d), w.asked)
		}
	}
}

// A ticket lets somebody in once, verified or not.
func TestDecide_LetsInOnceWithATicket(t *testing.T) {
	for name, c := range map[string]struct {
		fails  captcha.Kind
		reason string
		again  string
	}{
		"verified":                 {noKind, "allow verified normal", "deny rejected normal"},
		"unverified":               {captcha.Fault, "allow degraded_allow degraded upstream_fault", "deny rejected degraded upstream_fault"},
		"of which fate is unknown": {captcha.OutcomeUnknown, "allow outcome_unknown degraded upstream_fault", "deny rejected degraded upstream_fault"},
	} {
		w := newWorld(allows)
		w.fails, w.verdict = c.fails, captcha.Verdict{Outcome: captcha.Passed}
		p := w.policy()
		if got := words(p.Decide(t.Context(), ticket(1))); got != c.reason {
			t.Errorf("%s: %s, want %s", name, got, c.reason)
		}
		if got := words(p.Decide(t.Context(), ticket(1))); got != c.again {
			t.Errorf("%s, again: %s, want %s", name, got, c.again)
		}
	}
}

// Nobody is let through if nobody can tell whether that is allowed.
func TestDecide_TreatsAnUnknownOutcomeAsASpentBudget(t *testing.T) {
	for _, c := range []struct {
		over policy.Action
		want string
	}{
		{0, "challenge challenge_required degraded budget_spent<circuit_open"},
		{policy.Deny, "deny degraded_deny degraded budget_spent<circuit_open"},
	} {
		s := allows
		s.OverBudget = policy.Beyond(c.over)
		w := newWorld(s)
		w.fails, w.keep = captcha.CircuitOpen, errAway
		if got := words(w.policy().Decide(t.Context(), ticket(1))); got != c.want {
			t.Errorf("over_budget %d: %s, want %s", c.over, got, c.want)
		}
	}
	s := challenges
	w := newWorld(s)
	w.keep, w.solution = errAway, policy.Solution{Valid: true, Asked: true, Cause: captcha.CauseCircuitOpen}
	if got := words(w.policy().Decide(t.Context(), solved())); got != "deny degraded_deny degraded budget_spent<circuit_open" {
		t.Errorf("a solution: %s", got)
	}
}

// A pass says all that whoever keeps it needs to know.
func TestDecide_AsksForAPass(t *testing.T) {
	w := newWorld(allows)
	w.fails = captcha.CircuitOpen
	r := ticket(1)
	d := w.policy().Decide(t.Context(), r)
	if len(w.passes) != 1 {
		t.Fatalf("%d passes", len(w.passes))
	}
	p := w.passes[0]
	if p.On != policy.OnTicket || p.DecisionID != d.ID || p.Scene != theScene || p.Reference != "order" || p.Ticket != r.Ticket || time.Since(p.At) > time.Minute || p.Budget == nil {
		t.Errorf("%+v", p)
	}
}
