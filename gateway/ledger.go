package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"

	"captchagate/captcha"
	"captchagate/once"
	"captchagate/store"
)

// ledger remembers which tickets let somebody in. Those that did so unverified
// are kept in the store too: the Captcha API would take them once more.
type ledger struct {
	used *once.Set // let somebody in, verified or not
	let  *once.Set // of those, unverified
	seen *once.Set // disaster tickets, in one user's hands
	kept *store.Bolt
	log  *slog.Logger
}

// letBucket is where the store keeps tickets that were let through.
const letBucket = "tickets"

func newLedger(ctx context.Context, kept *store.Bolt, log *slog.Logger) (*ledger, error) {
	l := &ledger{
		used: once.NewSet(captcha.TicketLife, mostTickets),
		let:  once.NewSet(captcha.TicketLife, mostTickets),
		seen: once.NewSet(captcha.TicketLife, mostTickets),
		kept: kept, log: log,
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

// Use marks a ticket as having let somebody in. Where the store is away memory
// decides alone: only after a restart could the ticket be used again.
func (l *ledger) Use(ctx context.Context, k captcha.Key, degraded bool) bool {
	if !l.used.Add(k) {
		return false
	}
	if !degraded {
		return true
	}
	l.let.Add(k)
	if _, err := l.kept.Once(ctx, letBucket, hex.EncodeToString(k[:]), captcha.TicketLife); err != nil {
		l.log.Error("a ticket that was let through is remembered in memory only", "error", err)
	}
	return true
}

// LetThrough reports whether the ticket let somebody in unverified.
func (l *ledger) LetThrough(k captcha.Key) bool { return l.let.Has(k) }

// Seen marks a disaster ticket as seen.
func (l *ledger) Seen(k captcha.Key) bool { return !l.seen.Add(k) }
