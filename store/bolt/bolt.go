// Package bolt keeps the store of one instance in a bbolt file.
package bolt

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"captchagate/store"
)

// errStuck says that the disk did not answer within the store's patience.
var errStuck = errors.New("store: no answer from the disk in time; whether the write happened is not known; check the disk")

// usualPatience is how long a call waits for the disk. A disk that hangs must cost
// the callers an error, never their lives.
const usualPatience = time.Second

// Store is a store.Store in a bbolt file.
//
// Writes that come together share one transaction (see writer.go). They reach
// the operating system before they are acknowledged but are not synced to the
// disk, so they survive the death of the process at any moment and not a loss
// of power: users in an outage wait for these writes, and a sync costs them
// milliseconds. PutWithEntry, which no user waits for, does sync.
type Store struct {
	db       *bbolt.DB
	patience time.Duration
	file     *os.File
	made     bool // the file, by this start
	log      *slog.Logger
	jobs     chan *job
	quit     chan struct{} // closed by Close: no more jobs
	done     chan struct{} // closed by the writer when it has ended
	closed   sync.Once
	failed   atomic.Bool    // the last write did
	counts   map[string]int // entries per log; the writer's own
}

var _ store.Store = (*Store)(nil)

// Wait has calls wait for the disk so many times as long as usual, a second; 0 is once.
// It must be called before any of them.
func (s *Store) Wait(times int) { s.patience = time.Duration(max(times, 1)) * usualPatience }

// Kind is "bolt".
func (s *Store) Kind() string { return "bolt" }

// Healthy reports whether the last write succeeded.
func (s *Store) Healthy() bool { return !s.failed.Load() }

// view runs read in a transaction that sees everything acknowledged.
func (s *Store) view(read func(tx *bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	if err := s.db.View(read); err != nil {
		if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
			return store.ErrClosed
		}
		return fmt.Errorf("store: reading: %w", err)
	}
	return nil
}

// recoverDamage turns a panic of bbolt, which is how it meets a page that is
// not what it should be, into an error.
func recoverDamage(err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("store: the file is damaged (%v): stop the gateway, then restore the file from a backup or move it away to start empty", cause)
	}
}
