// Package store keeps what must outlive a request: the switch, the audit, and
// the things that may happen once.
//
// It knows values with a life in named buckets, and logs that are read newest
// first. What they mean is for the rooms that use them to say: each declares
// the two or three methods that it needs. Names, keys and values are the
// caller's; nothing of them is ever logged.
package store

import (
	"context"
	"encoding/binary"
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
)

// Bounds on what one call may store. They keep one bad caller from failing the
// write that others share with it.
const (
	MaxKey   = 1 << 10 // bytes of a key, a bucket's name or a log's name
	MaxValue = 1 << 20 // bytes of a value or an entry
)

// MaxEntries is how many entries a log keeps; the oldest go first.
const MaxEntries = 10_000

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("store: closed")

// errStuck says that the disk did not answer within patience.
var errStuck = fmt.Errorf("store: no answer from the disk within %v; whether the write happened is not known; check the disk", patience)

// patience is how long a call waits for the disk. A disk that hangs must cost
// the callers an error, never their lives.
const patience = time.Second

// Bolt is the store of one instance: a bbolt file. Its methods may be called
// from many goroutines at once.
//
// Writes that come together share one transaction (see writer.go). They reach
// the operating system before they are acknowledged but are not synced to the
// disk, so they survive the death of the process at any moment and not a loss
// of power: users in an outage wait for these writes, and a sync costs them
// milliseconds. PutWithEntry, which nobody waits for, does sync.
type Bolt struct {
	db     *bbolt.DB
	file   *os.File
	log    *slog.Logger
	jobs   chan *job
	quit   chan struct{} // closed by Close: no more jobs
	done   chan struct{} // closed by the writer when it has ended
	closed sync.Once
	sick   atomic.Bool    // the last write failed
	counts map[string]int // entries per log; the writer's own
}

// Kind names the sort of store, for the status.
func (b *Bolt) Kind() string { return "bolt" }

// Healthy reports whether the last write succeeded.
func (b *Bolt) Healthy() bool { return !b.sick.Load() }

// Get returns a copy of the value under key; ok is false where there is none
// or its life is over.
func (b *Bolt) Get(ctx context.Context, bucket, key string) (value []byte, ok bool, err error) {
	if err := check(ctx, bucket, key, nil); err != nil {
		return nil, false, err
	}
	now := time.Now()
	err = b.view(func(tx *bbolt.Tx) error {
		if values := tx.Bucket(valuesOf(bucket)); values != nil {
			value, ok = alive(values.Get([]byte(key)), now)
			value = append([]byte(nil), value...)
		}
		return nil
	})
	return value, ok, err
}

// Put stores value under key, in place of what was there. A life of 0 or less
// is for ever.
func (b *Bolt) Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error {
	if err := check(ctx, bucket, key, value); err != nil {
		return err
	}
	record := withLife(value, time.Now(), life)
	return b.write(ctx, func(tx *bbolt.Tx) error { return put(tx, bucket, key, record) })
}

// Delete removes what is under key; nothing there is no error.
func (b *Bolt) Delete(ctx context.Context, bucket, key string) error {
	if err := check(ctx, bucket, key, nil); err != nil {
		return err
	}
	return b.write(ctx, func(tx *bbolt.Tx) error {
		if values := tx.Bucket(valuesOf(bucket)); values != nil {
			return values.Delete([]byte(key))
		}
		return nil
	})
}

// Once reports true for the first call for key within life, over all
// callers and restarts. Of many calls at once exactly one is the first. A life
// of 0 or less is for ever.
//
// On an error nothing is known: the caller must take it as not the first.
func (b *Bolt) Once(ctx context.Context, bucket, key string, life time.Duration) (bool, error) {
	if _, taken, err := b.Get(ctx, bucket, key); taken || err != nil {
		return false, err
	}
	now := time.Now()
	record := withLife(nil, now, life)
	first := false // not to be read before the write is over
	err := b.write(ctx, func(tx *bbolt.Tx) error {
		values, err := tx.CreateBucketIfNotExists(valuesOf(bucket))
		if err != nil {
			return err
		}
		_, taken := alive(values.Get([]byte(key)), now)
		first = !taken
		if taken {
			return nil
		}
		return values.Put([]byte(key), record)
	})
	if err != nil {
		return false, err
	}
	return first, nil
}

// view runs read in a transaction that sees everything acknowledged.
func (b *Bolt) view(read func(tx *bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	if err := b.db.View(read); err != nil {
		if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
			return ErrClosed
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

func check(ctx context.Context, name, key string, value []byte) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case name == "" || len(name) > MaxKey:
		return fmt.Errorf("store: the name of a bucket or log must have 1 to %d bytes, has %d", MaxKey, len(name))
	case key == "" || len(key) > MaxKey:
		return fmt.Errorf("store: a key must have 1 to %d bytes, has %d", MaxKey, len(key))
	case len(value) > MaxValue:
		return fmt.Errorf("store: a value may have %d bytes, has %d", MaxValue, len(value))
	}
	return nil
}

// A record is the end of the value's life in Unix nanoseconds (8 bytes, 0 = for
// ever) and the value.
const lifeBytes = 8

func withLife(value []byte, now time.Time, life time.Duration) []byte {
	var until int64
	if life > 0 {
		until = now.Add(life).UnixNano()
	}
	record := binary.BigEndian.AppendUint64(make([]byte, 0, lifeBytes+len(value)), uint64(until))
	return append(record, value...)
}

func alive(record []byte, now time.Time) (value []byte, ok bool) {
	if len(record) < lifeBytes {
		return nil, false
	}
	until := int64(binary.BigEndian.Uint64(record))
	if until != 0 && now.UnixNano() >= until {
		return nil, false
	}
	return record[lifeBytes:], true
}

// valuesOf and entriesOf name the bbolt buckets, so that a log and a bucket of
// one name do not meet.
func valuesOf(bucket string) []byte { return []byte("v/" + bucket) }
func entriesOf(log string) []byte   { return []byte("l/" + log) }

// fill is how full a page gets before it is split. The keys that come by the
// thousand follow their time, so a page that was left is not written again.
const fill = 0.9

func put(tx *bbolt.Tx, bucket, key string, record []byte) error {
	values, err := tx.CreateBucketIfNotExists(valuesOf(bucket))
	if err != nil {
		return err
	}
	values.FillPercent = fill
	return values.Put([]byte(key), record)
}
