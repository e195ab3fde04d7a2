package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"captchagate/captcha"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/reverify"
	"captchagate/store"
	"captchagate/watch"
)

// tickets are what is known of tickets for as long as they live, over restarts too.
type tickets struct {
	used      *once.LastingSet // let somebody in, verified or not
	refused   *once.LastingSet // by the API
	fates     *once.LastingSet // an attempt of ours may have used them up
	abandoned *once.LastingSet // the same, only because the caller left
}

func newTickets(ctx context.Context, s store.Store, log *slog.Logger) (*tickets, error) {
	t := &tickets{}
	for bucket, set := range map[string]**once.LastingSet{"verified": &t.used, "refusals": &t.refused, "fates": &t.fates, "abandoned": &t.abandoned} {
		var err error
		if *set, err = once.NewLastingSet(ctx, captcha.TicketLife, maxTickets, s, bucket, log); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Run writes what is new until ctx ends.
func (t *tickets) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, set := range []*once.LastingSet{t.used, t.refused, t.fates, t.abandoned} {
		wg.Go(func() { set.Run(ctx) })
	}
	wg.Wait()
}

// ledger remembers which tickets let somebody in. Those that did so unverified
// stand in the queue, which outlives the process, and not in used's own bucket.
type ledger struct {
	*tickets
	let       *once.Set // let somebody in unverified
	elsewhere *once.Set // claimed by another instance a moment ago,
	claimed   *once.Set // or when the fleet was last asked
	seen      *once.Set // disaster tickets, in one user's hands
	taker     taker
	queue     *reverify.Queue
	incidents *watch.Incidents
	trouble   *storeTrouble
}

// claimSettles is how long an instance that claimed a ticket may take until it has let
// somebody in and told so, or given it back.
const claimSettles = 5 * time.Second

// newLedger knows the tickets that an earlier process let through.
func newLedger(t *tickets, from taker, queue *reverify.Queue, incidents *watch.Incidents, trouble *storeTrouble) *ledger {
	l := &ledger{
		tickets: t, taker: from,
		let:  once.NewSet(captcha.TicketLife, maxTickets),
		seen: once.NewSet(captcha.TicketLife, maxTickets),

		elsewhere: once.NewSet(claimSettles, maxTickets),
		claimed:   once.NewSet(captcha.TicketLife, maxTickets),

		queue: queue, incidents: incidents, trouble: trouble,
	}
	for key := range queue.LetThrough() {
		l.used.Set.Add(key)
		l.let.Add(key)
	}
	return l
}

// Claim marks a verified ticket as letting somebody in.
func (l *ledger) Claim(k captcha.Key) bool { return !l.isElsewhere(k) && l.used.Add(k) }

// LetThrough reports whether the ticket let somebody in unverified, or is just about to.
func (l *ledger) LetThrough(k captcha.Key) bool { return l.let.Has(k) || l.isElsewhere(k) }

// isElsewhere reports whether another instance claimed the ticket. While nobody can say
// what came of that, it has let somebody in.
func (l *ledger) isElsewhere(k captcha.Key) bool {
	return l.elsewhere.Has(k) || l.claimed.Has(k) && !l.taker.hears()
}

// Seen marks a disaster ticket as seen.
func (l *ledger) Seen(k captcha.Key) bool { return !l.seen.Add(k) }

// Let lets a user through within a budget, once a ticket.
func (l *ledger) Let(ctx context.Context, p policy.Pass) (policy.Outcome, error) {
	if p.On != policy.OnTicket {
		return l.takeFromBudget(ctx, p), nil
	}
	key := p.Ticket.Key()
	if l.isElsewhere(key) || !l.used.Set.Add(key) { // the queue will keep it
		return policy.Spent, nil
	}
	outcome, err := l.takeFromBudget(ctx, p), error(nil)
	if outcome == policy.Let {
		outcome, err = l.keep(ctx, p)
	}
	switch outcome {
	case policy.Let:
	case policy.Spent: // on another instance, which may fail to keep it and give it back
		l.elsewhere.Add(key)
		l.claimed.Add(key)
		l.used.Remove(key)
	case policy.Unknown, policy.Over, policy.Refuted, policy.Apart, policy.Unsettled, policy.Refused:
		l.used.Remove(key)
	}
	return outcome, err
}

// takeFromBudget takes a pass from its budget. Whoever re-verification refuted has none.
func (l *ledger) takeFromBudget(ctx context.Context, p policy.Pass) policy.Outcome {
	if l.queue.Refuted(p.Ticket.UserIP, p.Ticket.Subject) {
		return policy.Refuted
	}
	return l.taker.take(ctx, p)
}

// keep keeps a pass for re-verification. If the store is away nobody is let
// through: memory alone would forget whom to ask about.
func (l *ledger) keep(ctx context.Context, p policy.Pass) (policy.Outcome, error) {
	key, incident := p.Ticket.Key(), l.incidents.Current()
	if (p.Under == policy.NotLasting || p.Under == policy.LastingCircuit) && watch.CountsEarly(p.Cause) {
		incident = l.incidents.Coming()
	}
	err := l.queue.Add(ctx, reverify.Entry{
		DecisionID: p.DecisionID, Scene: p.Scene, Reference: p.Reference, Incident: incident,
		Ticket: p.Ticket, DecidedAt: p.At, Attempted: l.fates.Has(key) || l.abandoned.Has(key),
	})
	if err != nil {
		l.trouble.met(err)
		l.taker.giveBack(p)
		return policy.Unknown, fmt.Errorf("cannot keep whom to ask about later: %w", err)
	}
	l.let.Add(key)
	l.taker.kept(p)
	return policy.Let, nil
}
