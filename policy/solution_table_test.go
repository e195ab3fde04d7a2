package policy_test

import (
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/policy"
)

const (
	failed  = "deny challenge_failed degraded circuit_open"
	passes  = "allow challenge_solved degraded circuit_open"
	expires = 5 * time.Minute // Config.ChallengeExpires of every world
)

// A valid solution counts if a decision asked this user for it, or if the scene
// challenges and is or was just degraded; never in a scene that denies.
func TestDecide_Solutions(t *testing.T) {
	for _, c := range []struct {
		name                   string
		invalid, forUser       bool
		degraded               bool
		ago                    time.Duration // since it was degraded; 0: it never was
		allow, challenge, deny string        // by the scene's action
	}{
		{"asked for by a decision", false, true, false, 0, passes, passes, failed},
		{"asked for, while degraded", false, true, true, 0, passes, passes, failed},
		{"fetched by the page, while degraded", false, false, true, 0, failed, passes, failed},
		{"fetched by the page, just after", false, false, false, expires - 1, failed, passes, failed},
		{"fetched by the page, too late", false, false, false, expires, failed, failed, failed},
		{"fetched by the page, never degraded", false, false, false, 0, failed, failed, failed},
		{"not valid, asked for", true, true, true, 0, failed, failed, failed},
	} {
		for i, s := range []policy.Scene{allows, challenges, denies} {
			inBubble(t, func() {
				w := newWorld(s)
				w.solution = policy.Solution{Valid: !c.invalid, Asked: c.forUser, Cause: captcha.CauseCircuitOpen}
				if w.degraded = c.degraded; c.ago > 0 {
					w.last = time.Now().Add(-c.ago)
				}
				d := w.policy().Decide(t.Context(), solved())
				if got, want := words(d), []string{c.allow, c.challenge, c.deny}[i]; got != want || w.asked != 0 || d.ID == "" {
					t.Errorf("%s, the scene has %v:\n got %s\nwant %s", c.name, s.Degraded, got, want)
				}
				w.fits(t, c.name, d, false)
			})
		}
	}
}

// What is no challenge of ours says nothing of how things stand.
func TestDecide_SolutionsOfNoChallengeOfOurs(t *testing.T) {
	for _, force := range []policy.Force{policy.ForceNone, policy.ForceDegraded, policy.ForceNormal} {
		w := newWorld(challenges)
		w.force, w.degraded = force, true
		if got := words(w.policy().Decide(t.Context(), solved())); got != "deny challenge_failed normal" {
			t.Errorf("force %d: %s", force, got)
		}
	}
}

func TestDecide_SolutionsUnderForce(t *testing.T) {
	for _, c := range []struct {
		name  string
		force policy.Force
		valid bool
		want  string
	}{
		{"valid, degraded is forced", policy.ForceDegraded, true, passes},
		{"not valid, degraded is forced", policy.ForceDegraded, false, failed},
		{"valid, normal is forced", policy.ForceNormal, true, "deny degraded_deny normal circuit_open"},
		{"not valid, normal is forced", policy.ForceNormal, false, "deny challenge_failed normal circuit_open"},
	} {
		w := newWorld(challenges)
		w.force, w.solution = c.force, policy.Solution{Valid: c.valid, Asked: true, Cause: captcha.CauseCircuitOpen}
		d := w.policy().Decide(t.Context(), solved())
		if got := words(d); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		w.fits(t, c.name, d, false)
	}
}

// Solutions have a budget of their own. Beyond it a scene does one step more
// than challenge, unless it says what; a challenge again costs as before.
func TestDecide_SolutionsHaveABudget(t *testing.T) {
	for _, c := range []struct {
		over  policy.Action
		cause captcha.Cause
		want  string
		dear  bool
	}{
		{0, captcha.CauseCircuitOpen, "deny degraded_deny degraded budget_spent<circuit_open", false},
		{policy.Deny, captcha.CauseForced, "deny degraded_deny degraded budget_spent<forced", false},
		{policy.Challenge, captcha.CauseForced, "challenge challenge_required degraded budget_spent<forced", false},
		{policy.Challenge, captcha.CauseThrottled, "challenge challenge_required degraded budget_spent<throttled", true},
		{policy.Challenge, captcha.CauseOverloaded, "challenge challenge_required degraded budget_spent<overloaded", true},
		{policy.Challenge, captcha.CauseDisasterTicket, "challenge challenge_required degraded budget_spent<disaster_ticket", true},
	} {
		w := newWorld(policy.Scene{Degraded: policy.Challenge, OverBudget: policy.Beyond(c.over), ChallengeBudget: policy.Budget{Total: per(1, time.Hour)}})
		w.solution = policy.Solution{Valid: true, Asked: true, Cause: c.cause}
		p := w.policy()
		if got, want := words(p.Decide(t.Context(), solved())), "allow challenge_solved degraded "+string(c.cause); got != want {
			t.Errorf("within the budget: %s, want %s", got, want)
		}
		d := p.Decide(t.Context(), solved())
		if got := words(d); got != c.want {
			t.Errorf("beyond the budget, over_budget %d: %s, want %s", c.over, got, c.want)
		}
		w.fits(t, "beyond the budget", d, c.dear)
		if w.passes[0].On != policy.OnSolution || len(w.claimed) != 0 {
			t.Errorf("%+v, claimed %v", w.passes[0], w.claimed)
		}
	}
}
