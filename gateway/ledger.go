package gateway

import (
	"context"
	"fmt"

	"captchagate/captcha"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/reverify"
	"captchagate/watch"
)

// ledger remembers which tickets let somebody in. Those that did so unverified
// stand in the queue too, which outlives the process.
type ledger struct {
	used      *once.Set // let somebody in, verified or not
	let       *once.Set // of those, unverified
	seen      *once.Set // disaster tickets, in one user's hands
	fates     *once.Set // tickets that an attempt of ours may have used up
	abandoned *once.Set // the same, only because the caller left
	queue     *reverify.Queue
	incidents *watch.Incidents
}

// newLedger knows the tickets that an earlier process let through.
func newLedger(fates, abandoned *once.Set, queue *reverify.Queue, incidents *watch.Incidents) *ledger {
	l := &ledger{
		used:  once.NewSet(captcha.TicketLife, maxTickets),
		let:   once.NewSet(captcha.TicketLife, maxTickets),
		seen:  once.NewSet(captcha.TicketLife, maxTickets),
		fates: fates, abandoned: abandoned, queue: queue, incidents: incidents,
	}
	for key := range queue.LetThrough() {
		l.used.Add(key)
		l.let.Add(key)
	}
	return l
}

// Claim marks a verified ticket as letting somebody in.
func (l *ledger) Claim(k captcha.Key) bool { return l.used.Add(k) }

// LetThrough reports whether the ticket let somebody in unverified.
func (l *ledger) LetThrough(k captcha.Key) bool { return l.let.Has(k) }

// Seen marks a disaster ticket as seen.
func (l *ledger) Seen(k captcha.Key) bool { return !l.seen.Add(k) }

// Let lets a user through within a budget, once a ticket.
func (l *ledger) Let(ctx context.Context, p policy.Pass) (policy.Outcome, error) {
	if p.On != policy.OnTicket {
		return l.takeFromBudget(p), nil
	}
	key := p.Ticket.Key()
	if !l.used.Add(key) {
		return policy.Spent, nil
	}
	outcome, err := l.takeFromBudget(p), error(nil)
	if outcome == policy.Let {
		outcome, err = l.keep(ctx, p)
	}
	if outcome != policy.Let {
		l.used.Remove(key)
	}
	return outcome, err
}

// takeFromBudget takes a pass from its budget. Whoever re-verification refuted has none.
func (l *ledger) takeFromBudget(p policy.Pass) policy.Outcome {
	if l.queue.Refuted(p.Ticket.UserIP, p.Ticket.Subject) || !p.Budget.Take(p.Under, p.Ticket.UserIP, p.Ticket.Subject) {
		return policy.Over
	}
	return policy.Let
}

// keep keeps a pass for re-verification. If the store is away nobody is let
// through: memory alone would forget whom to ask about.
func (l *ledger) keep(ctx context.Context, p policy.Pass) (policy.Outcome, error) {
	key := p.Ticket.Key()
	err := l.queue.Add(ctx, reverify.Entry{
		DecisionID: p.DecisionID, Scene: p.Scene, Reference: p.Reference, Incident: l.incidents.Current(),
		Ticket: p.Ticket, DecidedAt: p.At, Attempted: l.fates.Has(key) || l.abandoned.Has(key),
	})
	if err != nil {
		return policy.Unknown, fmt.Errorf("cannot keep whom to ask about later: %w", err)
	}
	l.let.Add(key)
	return policy.Let, nil
}
