package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"captchagate/captcha"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/reverify"
	"captchagate/store"
	"captchagate/watch"
)

const (
	// letBucket is where the store keeps tickets that were let through.
	letBucket = "tickets"
	// letPatience is how long a user waits for that to be kept.
	letPatience = 100 * time.Millisecond
)

// ledger remembers which tickets let somebody in. Those that did so unverified
// are kept in the store too: the Captcha API would take them once more.
type ledger struct {
	used      *once.Set // let somebody in, verified or not
	let       *once.Set // of those, unverified
	seen      *once.Set // disaster tickets, in one user's hands
	fates     *once.Set // tickets that an attempt of ours may have used up
	kept      *store.Bolt
	queue     *reverify.Queue
	incidents *watch.Incidents
	log       *slog.Logger
}

// newLedger loads the tickets that an earlier process let through.
func newLedger(ctx context.Context, kept *store.Bolt, fates *once.Set, queue *reverify.Queue, incidents *watch.Incidents, log *slog.Logger) (*ledger, error) {
	l := &ledger{
		used:  once.NewSet(captcha.TicketLife, mostTickets),
		let:   once.NewSet(captcha.TicketLife, mostTickets),
		seen:  once.NewSet(captcha.TicketLife, mostTickets),
		fates: fates, kept: kept, queue: queue, incidents: incidents, log: log,
	}
	before, err := kept.List(ctx, letBucket, mostTickets)
	if err != nil {
		return nil, fmt.Errorf("reading the tickets that were let through: %w", err)
	}
	for name := range before {
		if raw, err := hex.DecodeString(name); err == nil && len(raw) == len(captcha.Key{}) {
			l.used.Add(captcha.Key(raw))
			l.let.Add(captcha.Key(raw))
		}
	}
	return l, nil
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

// Keep keeps a pass for re-verification. Where the store is away nobody is let
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
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), letPatience)
	defer cancel()
	if _, err := l.kept.Once(patient, letBucket, hex.EncodeToString(key[:]), captcha.TicketLife); err != nil {
		l.log.Error("a ticket that was let through is remembered in memory only", "error", err)
	}
	return nil
}
