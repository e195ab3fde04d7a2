// Package sla counts service levels as the provider's agreement does, of what this gateway
// saw for itself: minute by minute, how many calls went to the Captcha API and how many of
// them failed by the API's doing. A minute in which more than a share of them failed is
// unavailable; a month with too many of those is worth a claim.
//
// A call adds to the counters of its minute. Minutes are kept by days, days for 14 months.
// What an instance of a fleet counted it keeps as its own and tells the others, who keep it
// beside theirs; they are added up, minute by minute, before any minute is judged.
package sla

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
)

// A Store keeps days over a restart.
type Store interface {
	// Put stores value under key, in place of what was there.
	Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
	// List returns up to limit values of a bucket in the order of their keys.
	List(ctx context.Context, bucket string, limit int) (iter.Seq2[string, []byte], error)
}

// Levels are the service levels. Saw and Spared take no lock but once a minute and, of a
// call that failed, that of its minute.
type Levels struct {
	cfg     Config
	zone    *time.Location
	store   Store
	log     *slog.Logger
	current atomic.Pointer[tally] // of the newest minute in which anything was seen
	dirty   atomic.Bool           // something is to be written
	wake    chan struct{}         // tells Run so
	offset  atomic.Int64          // of the fleet's clock, in nanoseconds
	shared  atomic.Bool           // other instances count beside this one

	mu        sync.Mutex
	open      []*tally         // calls of their minutes may still end
	live      map[int64]*day   // this instance's days that open minutes are of, by their first minute
	kept      map[dayName]kept // all days, as they are written,
	unwritten map[dayName]bool // and which of them are not yet
	encoder   encoder

	tidied int64 // the day when it was last done

	away bool // the last write failed; Run's own

	minutes minutesCounter
}

// New returns the service levels that are in the store. cfg must be valid. The error says
// that the store cannot be read.
func New(ctx context.Context, cfg Config, store Store, log *slog.Logger, reg prometheus.Registerer) (*Levels, error) {
	zone, err := cfg.zone()
	if err != nil {
		return nil, fmt.Errorf("sla: %w", err)
	}
	l := &Levels{
		cfg: cfg, zone: zone, store: store, log: log, wake: make(chan struct{}, 1),
		live: map[int64]*day{}, kept: map[dayName]kept{}, unwritten: map[dayName]bool{},
	}
	if err := l.load(ctx); err != nil {
		return nil, fmt.Errorf("sla: the service levels cannot be read: %w", err)
	}
	l.minutes.register(l, reg)
	return l, nil
}

// Share says that other instances count beside this one, before Run.
func (l *Levels) Share() { l.shared.Store(true) }

// SetOffset says by how much the clock by which all instances count is ahead.
func (l *Levels) SetOffset(ahead time.Duration) { l.offset.Store(int64(ahead)) }

// Saw counts a call to the API, in the minute in which it went on the wire.
func (l *Levels) Saw(s captcha.Seen) {
	t := l.tallyOf(s.At)
	if s.Failed {
		t.fail(s)
	}
	t.requests.Add(1) // after what failed of them: no reader sees more failed than were made
	l.touch()
}

// Spared counts a user about whom nobody was asked because the circuit was open.
func (l *Levels) Spared() {
	l.tallyOf(time.Now()).spared.Add(1)
	l.touch()
}

// touch has Run write soon.
func (l *Levels) touch() {
	if l.dirty.Load() || !l.dirty.CompareAndSwap(false, true) {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default: // it will
	}
}

// tallyOf are the counters of a time's minute.
func (l *Levels) tallyOf(at time.Time) *tally {
	m := minuteOf(at.Add(time.Duration(l.offset.Load())))
	if t := l.current.Load(); t != nil && t.minute == m {
		return t
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.openTally(m)
}

// openTally returns the counters of a minute. They begin with what is known of it: an
// earlier process may have counted the first half. l.mu is held.
func (l *Levels) openTally(m int64) *tally {
	for _, t := range l.open {
		if t.minute == m {
			return t
		}
	}
	t := newTally(m, l.liveDay(m).take(m))
	l.open = append(l.open, t)
	if now := l.current.Load(); now == nil || now.minute < m || now.minute > m+openFor {
		l.current.Store(t)
	}
	return t
}

// minuteOf is a time's minute since 1970.
func minuteOf(at time.Time) int64 { return at.Unix() / 60 }

func timeOf(minute int64, zone *time.Location) time.Time {
	return time.Unix(minute*60, 0).In(zone)
}

// Around counts the calls of next. No call of it may be given up by its caller.
func (l *Levels) Around(next captcha.Verifier) captcha.Verifier { return layer{next, l} }

type layer struct {
	next   captcha.Verifier
	levels *Levels
}

// Verify asks next.
func (n layer) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	began := time.Now()
	v, err := n.next.Verify(ctx, t)
	var f *captcha.Failure
	answered := err == nil
	if !answered {
		f = captcha.AsFailure(err)
		answered = f.Code != "" || f.Answer != nil || f.Kind == captcha.Throttled
	}
	if s, counts := captcha.See(began, f, answered); counts {
		n.levels.Saw(s)
	}
	return v, err
}
