package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An Action is what a scene does with users whom nobody can verify. A later
// action is stricter.
type Action int

// The actions, from the mildest to the strictest. The zero value is not one:
// it stands for "not said".
const (
	_ Action = iota
	Allow
	Challenge
	Deny
)

var actionNames = [...]string{Allow: "allow", Challenge: "challenge", Deny: "deny"}

// String names the action as configuration does.
func (a Action) String() string { return actionNames[a] }

// UnmarshalText reads allow, challenge or deny.
func (a *Action) UnmarshalText(text []byte) error {
	for i, name := range actionNames {
		if name != "" && name == string(text) {
			*a = Action(i)
			return nil
		}
	}
	return fmt.Errorf("must be allow, challenge or deny, is %q", text)
}

// Words are those that UnmarshalText reads.
func (Action) Words() []string { return actionNames[Allow:] }

// MarshalText writes what UnmarshalText reads.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// A Rate is N per Per: a burst of N, refilled continuously. The zero value
// does not limit.
type Rate struct {
	N   int
	Per time.Duration // a second, a minute or an hour
}

var rateUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

// UnmarshalText reads "N/s", "N/m" or "N/h" with N from 1 to 1,000,000.
func (r *Rate) UnmarshalText(text []byte) error {
	count, unit, _ := strings.Cut(string(text), "/")
	n, err := strconv.Atoi(count)
	per, known := rateUnits[unit]
	if err != nil || !known || n < 1 || n > 1_000_000 {
		return fmt.Errorf("must be a rate such as 10/s, 5/m or 100/h, is %q", text)
	}
	*r = Rate{N: n, Per: per}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String writes the rate as configuration does; "" if it does not limit.
func (r Rate) String() string {
	for unit, per := range rateUnits {
		if r.Per == per {
			return fmt.Sprintf("%d/%s", r.N, unit)
		}
	}
	return ""
}

// IsZero reports whether the rate does not limit.
func (r Rate) IsZero() bool { return r == Rate{} }

// A Scene is a place of the business that asks for a captcha, and what happens
// there while nobody can verify.
type Scene struct {
	Degraded        Action `yaml:"degraded"`
	Budget          Budget `yaml:"budget,omitempty"`           // of Allow
	ChallengeBudget Budget `yaml:"challenge_budget,omitempty"` // of solved challenges; default: 240/m an address, 500/s in all
	OverBudget      Beyond `yaml:"over_budget,omitempty"`      // default: one step stricter than Degraded
}

// A Budget bounds what a scene lets through unverified. A zero part does not
// limit.
type Budget struct {
	PerIP      Rate          `yaml:"per_ip,omitempty"`
	PerSubject Rate          `yaml:"per_subject,omitempty"`
	Total      Rate          `yaml:"total,omitempty"`
	For        time.Duration `yaml:"for,omitempty"`
}

// Validate lists every mistake in s, each as "key: what is wrong".
func (s Scene) Validate() error {
	var mistakes []error
	add := func(text string) { mistakes = append(mistakes, errors.New(text)) }
	if s.Degraded == 0 {
		add("degraded: is missing; say allow, challenge or deny")
	}
	if s.Degraded == Allow && s.Budget.Total.IsZero() {
		add("budget.total: a scene that allows must say how many at most, for instance 200/s")
	}
	if s.Degraded == Allow && s.Budget.For <= 0 {
		add("budget.for: a scene that allows must say for how long at most, for instance 15m")
	}
	if s.Budget.For < 0 {
		add("budget.for: must not be negative")
	}
	if s.ChallengeBudget.For < 0 {
		add("challenge_budget.for: must not be negative")
	}
	if s.OverBudget == Beyond(Allow) {
		add("over_budget: must be challenge or deny; letting through beyond the budget is no budget")
	}
	return errors.Join(mistakes...)
}

// WithDefaults returns s with what it does not say: a proof of work is a price
// and not a proof of a human, so that what solves challenges is always bounded.
func (s Scene) WithDefaults() Scene {
	if s.Degraded != Deny && s.ChallengeBudget == (Budget{}) {
		s.ChallengeBudget = Budget{PerIP: Rate{N: 240, Per: time.Minute}, Total: Rate{N: 500, Per: time.Second}}
	}
	return s
}

// OverAction is what happens beyond the budget: OverBudget, or if that is
// not said one step stricter than the scene's action.
func (s Scene) OverAction() Action {
	if s.OverBudget != 0 {
		return Action(s.OverBudget)
	}
	return min(s.Degraded+1, Deny)
}

// Beyond is an Action beyond a budget. Allow is none: Validate refuses it. The zero
// value stands for "not said".
type Beyond Action

// UnmarshalText reads an Action.
func (b *Beyond) UnmarshalText(text []byte) error {
	if (*Action)(b).UnmarshalText(text) != nil {
		return fmt.Errorf("must be challenge or deny, is %q", text)
	}
	return nil
}

// Words are those that it may be.
func (Beyond) Words() []string { return actionNames[Challenge:] }

// MarshalText writes what UnmarshalText reads.
func (b Beyond) MarshalText() ([]byte, error) { return Action(b).MarshalText() }

// DisasterTickets says what a disaster ticket gets.
type DisasterTickets struct {
	WhenCorroborated DisasterAction `yaml:"when_corroborated"`
	Otherwise        DisasterAction `yaml:"otherwise"`
	MaxAge           time.Duration  `yaml:"max_age"`
}

// A DisasterAction is an Action, or the scene's own (the zero value).
type DisasterAction Action

// UnmarshalText reads scene, challenge or deny.
func (a *DisasterAction) UnmarshalText(text []byte) error {
	switch string(text) {
	case "scene":
		*a = 0
	case "challenge":
		*a = DisasterAction(Challenge)
	case "deny":
		*a = DisasterAction(Deny)
	default:
		return fmt.Errorf("must be scene, challenge or deny, is %q", text)
	}
	return nil
}

// Words are those that UnmarshalText reads.
func (DisasterAction) Words() []string { return []string{"scene", "challenge", "deny"} }

// MarshalText writes what UnmarshalText reads.
func (a DisasterAction) MarshalText() ([]byte, error) {
	if a == 0 {
		return []byte("scene"), nil
	}
	return []byte(Action(a).String()), nil
}

// Validate lists every mistake in d, each as "key: what is wrong".
func (d DisasterTickets) Validate() error {
	if d.MaxAge <= 0 {
		return fmt.Errorf("max_age: must be longer than 0, is %v", d.MaxAge)
	}
	return nil
}
