package breaker

import (
	"context"
	"log/slog"
	"sync"
)

// A Journal is told what happened to the circuits, in order, and before those
// who wait on it go on. It may ask the breaker anything, but its methods must
// not block, and must not change the breaker.
type Journal interface {
	Transition(t Transition)
	Account(a Account)
	// Throttling tells that the API throttles us, and once it is over with all
	// users that came meanwhile in place of those of a minute.
	Throttling(t Throttling, over bool)
}

// An outbox keeps what happened until it can be told without a lock that others
// wait for. What is put into it under one lock is told in the order in which it
// happened there.
type outbox struct {
	journal Journal
	peers   Peers
	log     *slog.Logger

	delivering sync.Mutex // so that no later event overtakes an earlier one
	mu         sync.Mutex
	waiting    []func()
}

// transition notes a transition for delivery.
func (o *outbox) transition(t Transition) {
	o.put(func() {
		o.peers.Report(t)
		o.journal.Transition(t)
		level := slog.LevelInfo
		if t.To == Open {
			level = slog.LevelWarn
		}
		o.log.Log(context.Background(), level, "circuit "+t.To.String(), "from", t.From.String(), "evidence", t.Evidence)
	})
}

// account notes a change of the account for delivery. Each code is a state of its own,
// with a beginning and an end: that it is another one now is news.
func (o *outbox) account(was, is Account) {
	o.put(func() {
		o.journal.Account(is)
		if is.State == AccountRefused {
			if was.State == AccountRefused {
				o.log.Info("the Captcha API gives another reason now for refusing the account", "about", "account "+was.Code, "code", was.Code)
			}
			o.log.Error("the Captcha API refuses the account; nobody can be verified: check secret_id, secret_key, permissions, billing and this machine's clock", "about", "account "+is.Code, "code", is.Code)
		} else {
			o.log.Info("the Captcha API accepts the account again", "about", "account "+was.Code)
		}
	})
}

// throttling notes how users fare while the API throttles, for delivery. The journal is
// told of its beginning and its end, the log besides how it goes on.
func (o *outbox) throttling(t Throttling, first, over bool) {
	o.put(func() {
		if first || over {
			o.journal.Throttling(t, over)
		}
		if over {
			o.log.Info("the Captcha API throttles us no more", "about", "throttling", "since", t.Since.UTC(), "users", t.Users, "not_verified", t.Unverified)
			return
		}
		o.log.Warn("the Captcha API throttles us, and users are not verified: raise the account's quota or lower the load", "about", "throttling", "since", t.Since.UTC(), "users_last_minute", t.Users, "not_verified_last_minute", t.Unverified)
	})
}

func (o *outbox) put(tell func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, tell)
}

// deliver tells all that waits. When it returns, whatever was put in before it
// was called has been told.
func (o *outbox) deliver() {
	o.delivering.Lock()
	defer o.delivering.Unlock()
	o.mu.Lock()
	events := o.waiting
	o.waiting = nil
	o.mu.Unlock()
	for _, tell := range events {
		tell()
	}
}
