package policy

import (
	"context"
	"time"

	"captchagate/captcha"
)

// A fallback is what the scene would do because nobody could tell, and why
// nobody could.
type fallback struct {
	cause    captcha.Cause
	action   Action
	reason   Reason // instead of the action's own; "" = that
	dear     bool   // load, or the user alone, may have brought it about: work costs more
	answer   *captcha.Answer
	attempts int
}

// failed turns a failure of the corridor into a decision.
func (p *Policy) failed(ctx context.Context, s *scene, r Request, f *captcha.Failure) Decision {
	fb := fallback{cause: f.Kind.Cause(), action: s.Degraded, answer: f.Answer, attempts: f.Attempts}
	switch f.Kind {
	case captcha.Cancelled:
		fb.action = Deny // nobody reads it; it must not cost a budget
	case captcha.Throttled, captcha.Overloaded:
		fb.action, fb.dear = max(s.Degraded, Challenge), true // a flood buys no pass
	case captcha.Misconfigured:
		fb.action = max(s.Degraded, Challenge)
	case captcha.OutcomeUnknown:
		fb.reason = ReasonOutcomeUnknown
		if f.Abandoned {
			fb.action = max(s.Degraded, Challenge) // whoever hangs up buys no pass by it
		}
	case captcha.Fault, captcha.CircuitOpen, captcha.Recovering:
	}
	return p.degraded(ctx, s, r, fb)
}

// degraded decides by the scene's rule.
func (p *Policy) degraded(ctx context.Context, s *scene, r Request, fb fallback) Decision {
	d := Decision{
		Action: fb.action, Assurance: AssuranceNone, Mode: ModeDegraded,
		Cause: fb.cause, Answer: fb.answer, Attempts: fb.attempts,
	}
	if p.ports.Situation.Forced(s.name, r.Ticket) == ForceNormal {
		d.Action, d.Mode, d.Reason = Deny, ModeNormal, ReasonDegradedDeny
		return d
	}
	if d.Action == Allow {
		p.letThrough(ctx, s, r, &d)
	}
	if d.Action == Challenge {
		d.Challenge = p.challenge(s, r, fb.cause, fb.dear)
	}
	if d.Reason == "" {
		d.Reason = reasons[d.Action]
	}
	if fb.reason != "" && d.Reason != ReasonRejected {
		d.Reason = fb.reason
	}
	return d
}

// reasons are those of degraded actions.
var reasons = map[Action]Reason{
	Allow: ReasonDegradedAllow, Challenge: ReasonChallengeRequired, Deny: ReasonDegradedDeny,
}

// letThrough lets a user through within the budget; beyond it d becomes what
// the scene does then.
func (p *Policy) letThrough(ctx context.Context, s *scene, r Request, d *Decision) {
	on := OnTicket
	if d.Cause == captcha.CauseDisasterTicket {
		on = OnDisasterTicket
	}
	if on == OnTicket && p.ports.Refusals.Forgetful() {
		d.Action = Challenge // it may have been refused, and that forgotten
		return
	}
	switch p.pass(ctx, on, s, s.allowed, r, d.Cause) {
	case Let:
	case Spent:
		d.Action, d.Reason = Deny, ReasonRejected
	case Over, Unknown:
		s.overBudget(d)
	}
}

// pass asks for a pass on a budget, because of a cause.
func (p *Policy) pass(ctx context.Context, on Basis, s *scene, budget *Limiter, r Request, cause captcha.Cause) Outcome {
	outcome, err := p.ports.Passes.Let(ctx, Pass{
		On: on, DecisionID: r.id, Scene: s.name, Reference: r.Reference, Ticket: r.Ticket, At: time.Now(),
		Budget: budget, Under: lasting(cause, p.ports.Situation.Standing(s.name)),
	})
	if err != nil {
		p.log.Error("somebody was not let through unverified, because nobody could tell whether that was allowed", "scene", s.name, "error", err)
		return Unknown
	}
	return outcome
}

// lasting is the lasting cause behind the cause of an answer, as things stand.
func lasting(cause captcha.Cause, standing Standing) Lasting {
	forced := NotLasting
	switch {
	case standing[LastingForced]:
		forced = LastingForced
	case standing[LastingDrill]:
		forced = LastingDrill
	}
	switch {
	case cause == captcha.CauseForced, cause == captcha.CauseDisasterTicket && !standing[LastingScript]:
		return forced
	case cause == captcha.CauseDisasterTicket:
		return LastingScript
	case standing[LastingCircuit], cause == captcha.CauseCircuitOpen, cause == captcha.CauseRecovering:
		return LastingCircuit
	}
	return NotLasting
}

// overBudget makes of d what the scene does beyond its budget.
func (s *scene) overBudget(d *Decision) {
	d.Action, d.Cause, d.DegradedBy = s.OverAction(), captcha.CauseBudgetSpent, d.Cause
}

// dearFactor is how many times the usual cost a challenge has that load, or the
// user alone, may have brought about: else everybody could choose proof of work
// in place of the captcha, at its plain price and while all is well.
const dearFactor = 4

// challenge issues a challenge to the user of r.
func (p *Policy) challenge(s *scene, r Request, cause captcha.Cause, dear bool) any {
	factor := 1
	if dear {
		factor = dearFactor
	}
	return p.ports.Challenger.Issue(Binding{Scene: s.name, User: r.Ticket, Cause: cause}, factor)
}

// dear is fallback.dear for the cause that a challenge was issued under. Whether
// the disaster ticket of then was corroborated is not known any more: it is if
// one would be now.
func (p *Policy) dear(s *scene, r Request, cause captcha.Cause) bool {
	if cause == captcha.CauseDisasterTicket {
		return !p.scriptAway(s, r)
	}
	return cause == captcha.CauseThrottled || cause == captcha.CauseOverloaded
}

// solution decides about a solution of an alternate challenge.
func (p *Policy) solution(ctx context.Context, s *scene, r Request) Decision {
	got := p.ports.Challenger.Check(ctx, *r.Solution, Binding{Scene: s.name, User: r.Ticket, Checks: s.checks})
	d := Decision{Action: Deny, Reason: ReasonChallengeFailed, Assurance: AssuranceNone, Mode: ModeDegraded, Cause: got.Cause}
	if got.Cause == captcha.NoCause {
		d.Mode = ModeNormal // not a challenge of ours: nothing degraded decided
	}
	if p.ports.Situation.Forced(s.name, r.Ticket) == ForceNormal {
		d.Mode = ModeNormal
		if got.Valid {
			d.Reason = ReasonDegradedDeny
		}
		return d
	}
	if !got.Valid || !p.accepts(s, got) {
		return d
	}
	if p.pass(ctx, OnSolution, s, s.solved, r, got.Cause) == Let {
		d.Action, d.Reason, d.Assurance = Allow, ReasonChallengeSolved, AssuranceReduced
		return d
	}
	s.overBudget(&d)
	if d.Action == Challenge {
		d.Challenge = p.challenge(s, r, got.Cause, p.dear(s, r, got.Cause))
	}
	d.Reason = reasons[d.Action]
	return d
}

// accepts says whether a valid solution counts here and now: if a decision of
// ours asked this household for it, or if the scene challenges and is or was just
// degraded. A stock solved while all was well counts for nothing.
func (p *Policy) accepts(s *scene, got Solution) bool {
	if s.Degraded == Deny {
		return false
	}
	if got.Asked {
		return true
	}
	now, last := p.ports.Situation.Degraded(s.name)
	return s.Degraded == Challenge && (now || !last.IsZero() && time.Since(last) < p.rules.Load().ChallengeExpires)
}
