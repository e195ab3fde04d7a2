package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"captchagate/store"
)

// maxGroup is how many writes share one transaction at most: enough for any
// crowd, few enough that the first of them does not wait long.
const maxGroup = 256

// A job is one write that waits for the next transaction.
type job struct {
	apply func(tx *bbolt.Tx) error // may be called more than once
	done  chan error               // takes one answer without a reader
}

// write hands apply to the writer and waits until it is committed. On an error
// the write may still happen if the context or patience ended first.
func (s *Store) write(ctx context.Context, apply func(tx *bbolt.Tx) error) error {
	if until, ok := ctx.Deadline(); !ok || time.Until(until) > s.patience { // else the caller's is enough
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.patience, errStuck)
		defer cancel()
	}
	j := &job{apply: apply, done: make(chan error, 1)}
	select {
	case <-s.quit:
		return store.ErrClosed
	default:
	}
	select {
	case s.jobs <- j:
	case <-s.quit:
		return store.ErrClosed
	case <-ctx.Done():
		return s.gaveUp(ctx)
	}
	select {
	case err := <-j.done:
		return err
	case <-s.done: // the writer may have answered as its last deed
		select {
		case err := <-j.done:
			return err
		default:
			return store.ErrClosed
		}
	case <-ctx.Done():
		return s.gaveUp(ctx)
	}
}

func (s *Store) gaveUp(ctx context.Context) error {
	err := context.Cause(ctx)
	if errors.Is(err, errStuck) {
		s.report(err)
	}
	return err
}

// writer commits jobs, all that wait in one transaction.
func (s *Store) writer() {
	defer close(s.done)
	debug.SetPanicOnFault(true)
	for {
		select {
		case j := <-s.jobs:
			s.commit(s.gather(j))
		case <-s.quit:
			return
		}
	}
}

// gather takes in the jobs that come beside the first. A transaction costs as
// much as many writes in it, so those about to write are let go first, for
// as long as that brings more; one that comes alone waits for nobody.
func (s *Store) gather(first *job) []*job {
	group := []*job{first}
	for before := 0; len(group) > before && len(group) < maxGroup; {
		before = len(group)
		runtime.Gosched()
		group = s.take(group)
	}
	return group
}

// take adds the jobs that wait now.
func (s *Store) take(group []*job) []*job {
	for len(group) < maxGroup {
		select {
		case j := <-s.jobs:
			group = append(group, j)
		default:
			return group
		}
	}
	return group
}

// commit applies the group and answers each job. A job that fails is answered
// and left out, and the others are applied anew: none suffers from another.
func (s *Store) commit(group []*job) {
	for len(group) > 0 {
		failed := -1
		err := s.update(func(tx *bbolt.Tx) error {
			for i, j := range group {
				if err := j.apply(tx); err != nil {
					failed = i
					return err
				}
			}
			return nil
		})
		if err != nil {
			clear(s.counts) // they may count what was rolled back
			err = fmt.Errorf("store: writing: %w; check the disk of the store's file", err)
		}
		s.report(err)
		if err == nil || failed < 0 {
			for _, j := range group {
				j.done <- err
			}
			return
		}
		group[failed].done <- err
		group = append(group[:failed], group[failed+1:]...)
	}
}

func (s *Store) update(apply func(tx *bbolt.Tx) error) (err error) {
	defer recoverDamage(&err)
	return s.db.Update(apply)
}

// report keeps what the last write says about the store's health, and logs
// each change of it once.
func (s *Store) report(err error) {
	if was := s.failed.Swap(err != nil); was == (err != nil) {
		return
	}
	if err != nil {
		s.log.Error("the store cannot be written", "about", "store", "error", err)
		return
	}
	s.log.Info("the store can be written again", "about", "store")
}

// sync waits until all that was written is on the disk.
func (s *Store) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.patience, errStuck)
	defer cancel()
	synced := make(chan error, 1)
	go func() { synced <- s.file.Sync() }()
	select {
	case err := <-synced:
		if err != nil {
			err = fmt.Errorf("store: syncing: %w; check the disk of the store's file", err)
			s.report(err)
		}
		return err
	case <-ctx.Done():
		return s.gaveUp(ctx)
	}
}

// Close ends the writing, syncs and releases the file. Calls after it, and
// those that still wait, fail with store.ErrClosed. It may be called again.
func (s *Store) Close() error {
	var err error
	s.closed.Do(func() {
		close(s.quit)
		select {
		case <-s.done:
		case <-time.After(s.patience):
			err = errStuck
			return
		}
		err = errors.Join(s.sync(context.Background()), s.db.Close())
	})
	return err
}
