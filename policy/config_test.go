package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/policy"
)

func TestScene_ValidateListsEveryMistake(t *testing.T) {
	total, long := policy.Budget{Total: per(1, time.Second)}, policy.Budget{For: time.Minute}
	for _, c := range []struct {
		scene policy.Scene
		keys  string // of the mistakes, in order
	}{
		{challenges, ""},
		{denies, ""},
		{allows, ""},
		{policy.Scene{}, "degraded"},
		{policy.Scene{Degraded: policy.Allow}, "budget.total budget.for"},
		{policy.Scene{Degraded: policy.Allow, Budget: total}, "budget.for"},
		{policy.Scene{Degraded: policy.Allow, Budget: long}, "budget.total"},
		{policy.Scene{Degraded: policy.Challenge, Budget: policy.Budget{For: -1}}, "budget.for"},
		{policy.Scene{Degraded: policy.Challenge, ChallengeBudget: policy.Budget{For: -1}}, "challenge_budget.for"},
		{policy.Scene{Degraded: policy.Challenge, OverBudget: policy.Beyond(policy.Allow)}, "over_budget"},
		{policy.Scene{Degraded: policy.Challenge, OverBudget: policy.Beyond(policy.Challenge)}, ""},
		{policy.Scene{OverBudget: policy.Beyond(policy.Allow), Budget: policy.Budget{For: -1}}, "degraded budget.for over_budget"},
	} {
		var keys []string
		if err := c.scene.Validate(); err != nil {
			for line := range strings.Lines(err.Error()) {
				key, what, _ := strings.Cut(line, ": ")
				if keys = append(keys, key); len(what) < 10 {
					t.Errorf("%+v: says only %q", c.scene, line)
				}
			}
		}
		if got := strings.Join(keys, " "); got != c.keys {
			t.Errorf("%+v: %q, want %q", c.scene, got, c.keys)
		}
	}
}

// Beyond a budget nobody is let through, and no guess at a word says so.
func TestBeyond_KnowsNoAllow(t *testing.T) {
	for text, want := range map[string]policy.Action{"challenge": policy.Challenge, "deny": policy.Deny, "allow": policy.Allow, "alow": 0} {
		var b policy.Beyond
		err := b.UnmarshalText([]byte(text))
		if policy.Action(b) != want || (err != nil) != (want == 0) {
			t.Errorf("%s: %d, %v", text, b, err)
		}
	}
	if words := (policy.Beyond(0)).Words(); slices.Contains(words, "allow") || len(words) != 2 {
		t.Errorf("it offers %v", words)
	}
}

func TestDisasterTickets_NeedAnAge(t *testing.T) {
	for age, ok := range map[time.Duration]bool{-1: false, 0: false, 1: true, time.Hour: true} {
		if err := (policy.DisasterTickets{MaxAge: age}).Validate(); (err == nil) != ok {
			t.Errorf("%v: %v", age, err)
		}
	}
}

func TestScene_OverBudgetIsOneStepStricter(t *testing.T) {
	for _, c := range [][3]policy.Action{
		{policy.Allow, 0, policy.Challenge},
		{policy.Challenge, 0, policy.Deny},
		{policy.Deny, 0, policy.Deny},
		{policy.Allow, policy.Deny, policy.Deny},
		{policy.Deny, policy.Challenge, policy.Challenge},
	} {
		if got := (policy.Scene{Degraded: c[0], OverBudget: policy.Beyond(c[1])}).OverAction(); got != c[2] {
			t.Errorf("%v, over_budget %d: %v, want %v", c[0], c[1], got, c[2])
		}
	}
}

// What configuration can say is read and written alike, and nothing else is read.
func TestConfig_Words(t *testing.T) {
	for _, word := range []string{"allow", "challenge", "deny"} {
		var a policy.Action
		if err := a.UnmarshalText([]byte(word)); err != nil || text(t, a) != word || a.String() != word {
			t.Errorf("action %s: %v, %v", word, a, err)
		}
	}
	for _, word := range []string{"scene", "challenge", "deny"} {
		var a policy.DisasterAction
		if err := a.UnmarshalText([]byte(word)); err != nil || text(t, a) != word {
			t.Errorf("disaster action %s: %v, %v", word, a, err)
		}
	}
	for word, want := range map[string]policy.Rate{
		"1/s": per(1, time.Second), "240/m": per(240, time.Minute), "1000000/h": per(1_000_000, time.Hour),
	} {
		var r policy.Rate
		if err := r.UnmarshalText([]byte(word)); err != nil || r != want || text(t, r) != word || r.IsZero() {
			t.Errorf("rate %s: %+v, %v", word, r, err)
		}
	}
	if s := (policy.Rate{}).String(); s != "" || !(policy.Rate{}).IsZero() {
		t.Errorf("no limit is written as %q", s)
	}
}

func TestConfig_RefusesOtherWords(t *testing.T) {
	for _, word := range []string{"", "Allow", "scene", "0"} {
		var a policy.Action
		if a.UnmarshalText([]byte(word)) == nil || a != 0 {
			t.Errorf("action %q is read as %d", word, a)
		}
	}
	for _, word := range []string{"", "allow", "Scene"} {
		a := policy.DisasterAction(policy.Deny)
		if a.UnmarshalText([]byte(word)) == nil || a != policy.DisasterAction(policy.Deny) {
			t.Errorf("disaster action %q is read as %d", word, a)
		}
	}
	for _, word := range []string{"", "1", "1/", "/s", "0/s", "-1/s", "1000001/s", "1/d", "1.5/s", "1/s/s"} {
		var r policy.Rate
		if r.UnmarshalText([]byte(word)) == nil || !r.IsZero() {
			t.Errorf("rate %q is read as %+v", word, r)
		}
	}
}

func text(t *testing.T, v interface{ MarshalText() ([]byte, error) }) string {
	t.Helper()
	b, err := v.MarshalText()
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// Solved challenges are bounded in every scene: a scene that says nothing has
// 240 a minute for an address and 500 a second in all.
func TestScene_SolvedChallengesAreAlwaysBounded(t *testing.T) {
	usual := policy.Budget{PerIP: per(240, time.Minute), Total: per(500, time.Second)}
	own := policy.Budget{PerIP: per(5, time.Minute)}
	for _, c := range []struct {
		name        string
		scene, want policy.Budget
		action      policy.Action
	}{
		{"challenges, says nothing", policy.Budget{}, usual, policy.Challenge},
		{"allows, says nothing", policy.Budget{}, usual, policy.Allow},
		{"says its own", own, own, policy.Challenge},
		{"denies: nobody is challenged", policy.Budget{}, policy.Budget{}, policy.Deny},
	} {
		s := policy.Scene{Degraded: c.action, ChallengeBudget: c.scene}
		if got := s.WithDefaults().ChallengeBudget; got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	inBubble(t, func() {
		w := newWorld(challenges)
		w.solution = policy.Solution{Valid: true, Asked: true, Cause: captcha.CauseDisasterTicket}
		p, in := w.policy(), 0
		for range 300 {
			if p.Decide(t.Context(), solved()).Action == policy.Allow {
				in++
			}
		}
		if in != 240 {
			t.Errorf("one address got in %d times by proof of work alone, want 240", in)
		}
	})
}
