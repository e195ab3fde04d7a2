package gateway

import (
	"context"
	"log/slog"
	"net/netip"

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
	queue     *reverify.Queue
	incidents *watch.Incidents
	log       *slog.Logger
}

// newLedger knows the tickets that an earlier process let through.
func newLedger(fates *once.Set, queue *reverify.Queue, incidents *watch.Incidents, log *slog.Logger) *ledger {
	l := &ledger{
		used:  once.NewSet(captcha.TicketLife, maxTickets),
		let:   once.NewSet(captcha.TicketLife, maxTickets),
		seen:  once.NewSet(captcha.TicketLife, maxTickets),
		fates: fates, queue: queue, incidents: incidents, log: log,
	}
	for key := range queue.LetThrough() {
		l.used.Add(key)
		l.let.Add(key)
	}
	return l
}

// Claim marks a ticket as letting somebody in.
func (l *ledger) Claim(k captcha.Key) bool { return l.used.Add(k) }

// Release takes a claim back.
func (l *ledger) Release(k captcha.Key) { l.used.Remove(k) }

// LetThrough reports whether the ticket let somebody in unverified.
func (l *ledger) LetThrough(k captcha.Key) bool { return l.let.Has(k) }

// Seen marks a disaster ticket as seen.
func (l *ledger) Seen(k captcha.Key) bool { return !l.seen.Add(k) }

// Refuted reports whether re-verification found a bad ticket of the user.
func (l *ledger) Refuted(ip netip.Addr, subject string) bool { return l.queue.Refuted(ip, subject) }

// Keep keeps a pass for re-verification. If the store is away nobody is let
// through for long: memory alone would forget whom to ask about.
func (l *ledger) Keep(ctx context.Context, p policy.Pass) error {
	key := p.Ticket.Key()
	err := l.queue.Add(ctx, reverify.Entry{
		DecisionID: p.DecisionID, Scene: p.Scene, Reference: p.Reference, Incident: l.incidents.Current(),
		Ticket: p.Ticket, DecidedAt: p.At, Attempted: l.fates.Has(key),
	})
	if err != nil {
		l.log.Error("nobody is let through unverified: what would have to be asked about later cannot be kept", "error", err)
		return err
	}
	l.let.Add(key)
	return nil
}
