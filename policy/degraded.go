package policy

import (
	"context"
	"time"

	"captchagate/captcha"
)

// failing is why nobody could tell, and what the scene would do about it.
type failing struct {
	cause    Cause
	action   Action
	reason   Reason // instead of the action's own; "" = that
	answer   *captcha.Answer
	attempts int
}

// failed turns a failure of the corridor into a decision.
func (p *Policy) failed(ctx context.Context, s *scene, r Request, f *captcha.Failure) Decision {
	why := failing{cause: causeOf(f.Kind), action: s.Degraded, answer: f.Answer, attempts: f.Attempts}
	switch f.Kind {
	case captcha.Cancelled:
		why.action = Deny // nobody reads it; it must not cost a budget
	case captcha.Throttled, captcha.Overloaded, captcha.Misconfigured:
		why.action = max(s.Degraded, Challenge) // a flood buys no pass
	case captcha.OutcomeUnknown:
		why.reason = ReasonOutcomeUnknown
	case captcha.Fault, captcha.CircuitOpen, captcha.Recovering:
	}
	return p.degraded(ctx, s, r, why)
}

// degraded decides by the scene's rule.
func (p *Policy) degraded(ctx context.Context, s *scene, r Request, why failing) Decision {
	d := Decision{
		Action: why.action, Assurance: AssuranceNone, Mode: ModeDegraded,
		Cause: why.cause, Answer: why.answer, Attempts: why.attempts,
	}
	if p.situation.Forced(s.name, r.Ticket) == ForceNormal {
		d.Action, d.Mode, d.Reason = Deny, ModeNormal, ReasonDegradedDeny
		return d
	}
	if d.Action == Allow {
		p.letThrough(ctx, s, r, &d)
	}
	if d.Action == Challenge {
		d.Challenge = p.challenger.Issue(Binding{Scene: s.name, User: r.Ticket, Cause: why.cause}, price(why.cause))
	}
	if d.Reason == "" {
		d.Reason = reasons[d.Action]
	}
	if why.reason != "" && d.Reason != ReasonRejected {
		d.Reason = why.reason
	}
	return d
}

// reasons are those of degraded actions.
var reasons = map[Action]Reason{
	Allow: ReasonDegradedAllow, Challenge: ReasonChallengeRequired, Deny: ReasonDegradedDeny,
}

// letThrough lets a user in within the budget, once a ticket; beyond it d
// becomes what the scene does then.
func (p *Policy) letThrough(ctx context.Context, s *scene, r Request, d *Decision) {
	if d.Cause == DisasterTicket { // all users of one second hold the same, and it can never be verified
		if !p.afford(s.allowed, r) {
			s.overBudget(d)
		}
		return
	}
	key := r.Ticket.Key()
	if !p.ledger.Claim(key) {
		d.Action, d.Reason = Deny, ReasonRejected
		return
	}
	if p.afford(s.allowed, r) && p.passes.Keep(ctx, Pass{r.id, s.name, r.Reference, r.Ticket, time.Now()}) == nil {
		return
	}
	p.ledger.Release(key)
	s.overBudget(d)
}

// afford takes one passing from a budget. Who turned out to be bad has none.
func (p *Policy) afford(purse *Purse, r Request) bool {
	return !p.passes.Refuted(r.Ticket.UserIP, r.Ticket.Subject) && purse.Take(r.Ticket.UserIP, r.Ticket.Subject)
}

// overBudget makes of d what the scene does beyond its budget.
func (s *scene) overBudget(d *Decision) {
	d.Action, d.Cause, d.DegradedBy = s.OverAction(), BudgetSpent, d.Cause
}

// price is how many times the usual cost a challenge has: where load alone may
// have brought it about, work is dearer.
func price(c Cause) int {
	if c == Throttled || c == Overloaded {
		return 4
	}
	return 1
}

// solution decides about a solution of an alternate challenge.
func (p *Policy) solution(ctx context.Context, s *scene, r Request) Decision {
	got := p.challenger.Check(ctx, *r.Solution, Binding{Scene: s.name, User: r.Ticket})
	d := Decision{Action: Deny, Reason: ReasonChallengeFailed, Assurance: AssuranceNone, Mode: ModeDegraded, Cause: got.Cause}
	if got.Cause == NoCause {
		d.Mode = ModeNormal // not a challenge of ours: nothing degraded decided
	}
	if p.situation.Forced(s.name, r.Ticket) == ForceNormal {
		d.Mode = ModeNormal
		if got.Right {
			d.Reason = ReasonDegradedDeny
		}
		return d
	}
	if !got.Right || !p.counts(s, got) {
		return d
	}
	if p.afford(s.challenged, r) {
		d.Action, d.Reason, d.Assurance = Allow, ReasonChallengeSolved, AssuranceReduced
		return d
	}
	s.overBudget(&d)
	if d.Action == Challenge {
		d.Challenge = p.challenger.Issue(Binding{Scene: s.name, User: r.Ticket, Cause: got.Cause}, price(got.Cause))
	}
	d.Reason = reasons[d.Action]
	return d
}

// counts says whether a right solution counts here and now: where a decision
// of ours asked this user for it, or where the scene challenges and is or was
// just degraded. A stock solved in peace counts for nothing.
func (p *Policy) counts(s *scene, got Solved) bool {
	if s.Degraded == Deny {
		return false
	}
	if got.ForUser {
		return true
	}
	now, last := p.situation.Degraded(s.name)
	return s.Degraded == Challenge && (now || !last.IsZero() && time.Since(last) < p.rules.Load().ChallengeExpires)
}
