package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
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
// the write may still happen where the context or patience ended first.
func (b *Bolt) write(ctx context.Context, apply func(tx *bbolt.Tx) error) error {
	if until, ok := ctx.Deadline(); !ok || time.Until(until) > patience { // else the caller's is enough
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, patience, errStuck)
		defer cancel()
	}
	j := &job{apply: apply, done: make(chan error, 1)}
	select {
	case <-b.quit:
		return ErrClosed
	default:
	}
	select {
	case b.jobs <- j:
	case <-b.quit:
		return ErrClosed
	case <-ctx.Done():
		return b.gaveUp(ctx)
	}
	select {
	case err := <-j.done:
		return err
	case <-b.done: // the writer may have answered as its last deed
		select {
		case err := <-j.done:
			return err
		default:
			return ErrClosed
		}
	case <-ctx.Done():
		return b.gaveUp(ctx)
	}
}

func (b *Bolt) gaveUp(ctx context.Context) error {
	err := context.Cause(ctx)
	if errors.Is(err, errStuck) {
		b.report(err)
	}
	return err
}

// writer commits jobs, all that wait in one transaction.
func (b *Bolt) writer() {
	defer close(b.done)
	debug.SetPanicOnFault(true)
	for {
		select {
		case j := <-b.jobs:
			b.commit(b.gather(j))
		case <-b.quit:
			return
		}
	}
}

// gather takes in the jobs that come beside the first. A transaction costs as
// much as many writes in it, so whoever is about to write is let go first, for
// as long as that brings more; who comes alone waits for nobody.
func (b *Bolt) gather(first *job) []*job {
	group := []*job{first}
	for before := 0; len(group) > before && len(group) < maxGroup; {
		before = len(group)
		runtime.Gosched()
		group = b.take(group)
	}
	return group
}

// take adds the jobs that wait now.
func (b *Bolt) take(group []*job) []*job {
	for len(group) < maxGroup {
		select {
		case j := <-b.jobs:
			group = append(group, j)
		default:
			return group
		}
	}
	return group
}

// commit applies the group and answers each job. A job that fails is answered
// and left out, and the others are applied anew: none suffers from another.
func (b *Bolt) commit(group []*job) {
	for len(group) > 0 {
		failed := -1
		err := b.update(func(tx *bbolt.Tx) error {
			for i, j := range group {
				if err := j.apply(tx); err != nil {
					failed = i
					return err
				}
			}
			return nil
		})
		if err != nil {
			clear(b.counts) // they may count what was rolled back
			err = fmt.Errorf("store: writing: %w; check the disk of the store's file", err)
		}
		b.report(err)
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

func (b *Bolt) update(apply func(tx *bbolt.Tx) error) (err error) {
	defer recoverDamage(&err)
	return b.db.Update(apply)
}

// report keeps what the last write says about the store's health, and logs
// each change of it once.
func (b *Bolt) report(err error) {
	if was := b.sick.Swap(err != nil); was == (err != nil) {
		return
	}
	if err != nil {
		b.log.Error("the store cannot be written", "error", err)
		return
	}
	b.log.Info("the store can be written again")
}

// sync waits until all that was written is on the disk.
func (b *Bolt) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errStuck)
	defer cancel()
	synced := make(chan error, 1)
	go func() { synced <- b.file.Sync() }()
	select {
	case err := <-synced:
		if err != nil {
			err = fmt.Errorf("store: syncing: %w; check the disk of the store's file", err)
			b.report(err)
		}
		return err
	case <-ctx.Done():
		return b.gaveUp(ctx)
	}
}

// Close ends the writing, syncs and releases the file. Calls after it, and
// those that still wait, fail with ErrClosed. It may be called again.
func (b *Bolt) Close() error {
	var err error
	b.closed.Do(func() {
		close(b.quit)
		select {
		case <-b.done:
		case <-time.After(patience):
			err = errStuck
			return
		}
		err = errors.Join(b.sync(context.Background()), b.db.Close())
	})
	return err
}
