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
	why      string // see Decision
	answer   *captcha.Answer
	attempts int
	held     captcha.Key // of a disaster ticket
}

// failed turns a failure of the corridor into a decision.
func (p *Policy) failed(ctx context.Context, s *scene, r Request, f *captcha.Failure) Decision {
	fb := fallback{cause: f.Kind.Cause(), action: s.Degraded, answer: f.Answer, attempts: f.Attempts}
	if f.Err != nil {
		fb.why = f.Err.Error()
	}
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
		Cause: fb.cause, Answer: fb.answer, Attempts: fb.attempts, Why: fb.why,
	}
	if p.ports.Situation.Forced(s.name, r.Ticket) == ForceNormal {
		d.Action, d.Mode, d.Reason, d.Why = Deny, ModeNormal, ReasonDegradedDeny, forcedNormal
		return d
	}
	if d.Action == Allow {
		p.letThrough(ctx, s, r, &fb, &d)
	}
	if d.Action == Challenge && !r.Shadow {
		d.Challenge = p.challenge(s, r, fb.cause, fb.dear)
	}
	if d.Reason == "" {
		d.Reason = reasons[d.Action]
	}
	if fb.reason != "" && d.Reason != ReasonRejected && d.Reason != ReasonMalicious {
		d.Reason = fb.reason
	}
	return d
}

// forcedBy tells the switch and a drill apart: both are forced.
func (p *Policy) forcedBy(s *scene) string {
	if p.ports.Situation.Standing(s.name)[LastingForced] {
		return "an operator forces degraded on all scenes"
	}
	return "a drill on this scene"
}

// forcedNormal is why nobody is let through or challenged, whatever the scene says.
const forcedNormal = "an operator forces normal, so that whom nobody can verify is denied"

// causeStoreTrouble is the own cause of who was not let through because that could not
// be kept.
const causeStoreTrouble = "store_trouble"

// storeAway is why somebody meets over_budget while the budget has room.
const storeAway = "nobody can be let through: the store takes no writes, or did not answer in time; the budget is not the reason"

// reasons are those of degraded actions.
var reasons = map[Action]Reason{
	Allow: ReasonDegradedAllow, Challenge: ReasonChallengeRequired, Deny: ReasonDegradedDeny,
}

// letThrough lets a user through within the budget; beyond it d becomes what
// the scene does then.
func (p *Policy) letThrough(ctx context.Context, s *scene, r Request, fb *fallback, d *Decision) {
	pass := Pass{On: OnTicket, Budget: s.allowed}
	if d.Cause == captcha.CauseDisasterTicket {
		pass.On, pass.Held = OnDisasterTicket, fb.held
	} else {
		pass.Refusals = func() []captcha.Key { return p.refusalNames(r.Ticket) }
	}
	if pass.On == OnTicket && p.ports.Refusals.Forgetful() {
		d.Action = Challenge // it may have been refused, and that forgotten
		return
	}
	switch outcome, why := p.pass(ctx, pass, s, r, d.Cause); outcome {
	case Let:
	case Spent:
		if pass.On == OnDisasterTicket { // by another instance
			*fb = p.uncorroborated(s)
			d.Action, d.Why = fb.action, fb.why
			return
		}
		d.Action, d.Reason, d.Why = Deny, ReasonRejected, "the ticket let somebody in before, while nobody could verify it"
	case Refused:
		known, ok := p.refused(r.Ticket)
		if !ok {
			known = rejectedUnasked("the API refused this ticket before, as another instance says")
		}
		known.Answer, known.Attempts = d.Answer, d.Attempts
		*d = known
	case Over, Refuted, Apart, Unsettled:
		s.overBudget(d)
		d.Why = why
	case Unknown:
		s.overBudget(d)
		d.OwnCause, d.Why = causeStoreTrouble, why
	}
}

// pass asks for a pass because of a cause. why is why it was not given.
func (p *Policy) pass(ctx context.Context, pass Pass, s *scene, r Request, cause captcha.Cause) (outcome Outcome, why string) {
	if r.Shadow {
		return Let, "" // as from a full budget
	}
	pass.DecisionID, pass.Scene, pass.Reference, pass.Ticket = r.id, s.name, r.Reference, r.Ticket
	pass.At, pass.Cause, pass.Under = time.Now(), cause, lasting(cause, p.ports.Situation.Standing(s.name))
	outcome, err := p.ports.Passes.Let(ctx, pass)
	if err != nil {
		p.log.Error("somebody was not let through unverified, because nobody could tell whether that was allowed", "scene", s.name, "error", err)
		outcome = Unknown
	}
	return outcome, p.why(outcome, pass, s)
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
	d := Decision{Action: Deny, Reason: ReasonChallengeFailed, Assurance: AssuranceNone, Mode: ModeDegraded, Cause: got.Cause, Why: "solution: " + got.Found}
	if got.Cause == captcha.NoCause {
		d.Mode = ModeNormal // not a challenge of ours: nothing degraded decided
	}
	if p.ports.Situation.Forced(s.name, r.Ticket) == ForceNormal {
		d.Mode = ModeNormal
		if got.Valid {
			d.Reason, d.Why = ReasonDegradedDeny, forcedNormal
		}
		return d
	}
	if !got.Valid {
		return d
	}
	if d.Why = ""; !p.accepts(s, got) {
		d.Why = "solution: right, and the scene asks for none now"
		return d
	}
	outcome, why := p.pass(ctx, Pass{On: OnSolution, Budget: s.solved}, s, r, got.Cause)
	if outcome == Let {
		d.Action, d.Reason, d.Assurance = Allow, ReasonChallengeSolved, AssuranceReduced
		return d
	}
	d.Why = why
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
