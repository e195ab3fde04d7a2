package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"captchagate/admin"
	"captchagate/captcha"
	"captchagate/store"
)

const (
	namesBucket = "names"
	// nameChars is how much of a hash the log shows: enough to find one user's
	// lines of a month, and not to tell who it was.
	nameChars = 8
	// keyLife is how long a month's key is kept, so that the month before can
	// be searched too. After that nobody can tell whose lines they were.
	keyLife   = 62 * 24 * time.Hour
	nameCheck = time.Minute // between two looks at the calendar
)

// names are who the log's lines are about: keyed hashes, with another key each
// month.
type names struct {
	store   store.Values
	shared  func(month string) []byte // the fleet's keys; nil for one instance
	log     *slog.Logger
	current atomic.Pointer[monthKey]
}

type monthKey struct {
	month string // 2026-11, of UTC
	key   []byte
}

func newNames(ctx context.Context, s store.Values, shared func(month string) []byte, log *slog.Logger) (*names, error) {
	n := &names{store: s, shared: shared, log: log}
	return n, n.turn(ctx, time.Now())
}

// Run takes the new key when a month begins, until ctx ends.
func (n *names) Run(ctx context.Context) {
	tick := time.NewTicker(nameCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if err := n.turn(ctx, now); err != nil && ctx.Err() == nil {
				n.log.Warn("this month's key of the log's \"who\" could not be kept; last month's goes on", "error", err)
			}
		}
	}
}

// turn takes the month's key, and makes it if it is the first to ask.
func (n *names) turn(ctx context.Context, now time.Time) error {
	month := monthOf(now)
	if k := n.current.Load(); k != nil && k.month == month {
		return nil
	}
	key, ok, err := n.key(ctx, month)
	if err != nil {
		return err
	}
	if !ok {
		key = make([]byte, keyBytes)
		_, _ = rand.Read(key) // never fails
		if err := n.store.Put(ctx, namesBucket, month, key, keyLife); err != nil {
			return err
		}
	}
	n.current.Store(&monthKey{month, key})
	return nil
}

// key is a month's, if there is one.
func (n *names) key(ctx context.Context, month string) (key []byte, ok bool, err error) {
	if n.shared != nil {
		return n.shared(month), true, nil
	}
	return n.store.Get(ctx, namesBucket, month)
}

// Who names a user as the log does: household, a dash and the subject's, if there
// is one.
func (n *names) Who(of captcha.Ticket) string { return n.current.Load().who(of) }

func (k *monthKey) who(of captcha.Ticket) string {
	who := ""
	if of.UserIP.IsValid() {
		household, _ := of.Household().MarshalText() // never fails
		who = k.name('h', household)
	}
	if of.Subject != "" {
		who += "-" + k.name('s', []byte(of.Subject))
	}
	return who
}

func (k *monthKey) name(kind byte, text []byte) string {
	var room [512]byte // holds any subject
	sum := sha256.Sum256(append(append(append(room[:0], k.key...), kind), text...))
	return hex.EncodeToString(sum[:nameChars/2])
}

// Names are what a user is called in the log of this month and the last one,
// newest first.
func (n *names) Names(ctx context.Context, ip netip.Addr, subject string) (found []admin.Name, err error) {
	now := time.Now().UTC()
	last := now.AddDate(0, 0, -now.Day())
	for _, month := range []string{monthOf(now), monthOf(last)} {
		key, ok, err := n.key(ctx, month)
		if err != nil {
			return nil, fmt.Errorf("the month's key cannot be read: %w", err)
		}
		if k := (&monthKey{month, key}); ok {
			found = append(found, admin.Name{Month: month, Who: k.who(captcha.Ticket{UserIP: ip, Subject: subject})})
		}
	}
	return found, nil
}

func monthOf(t time.Time) string { return t.UTC().Format("2006-01") }
