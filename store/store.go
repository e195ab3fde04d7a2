// Package store is the contract of what keeps things that must outlive a
// request: the switch, the audit, incidents, what is to be asked again, what the
// Captcha API refused, what may happen only once, and keys that are made here.
//
// A store knows values with a life in named buckets, and logs that are read
// newest first. What they mean is for the rooms that use them to say: each
// declares the two or three methods that it needs. Names, keys and values are
// the caller's; nothing of them is ever logged.
//
// Package bolt keeps the contract in a file of one instance. Package storetest
// holds any store against it.
package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("store: closed")

// A Store is what the gateway is wired to. Its methods may be called from many
// goroutines at once, and answer within about a second whatever happens below
// them. What a write acknowledged survives the death of the process at any
// moment.
//
// A context that has ended is an error and nothing is done. After any other
// error of a write it is not known whether the write happened. After Close all
// calls fail with ErrClosed.
type Store interface {
	Values
	Sets
	Logs
	Health

	// Run does the upkeep until ctx ends: it clears away what has outlived its
	// life, and tries a store that could not be written again. Without it
	// nothing expired is ever returned, but the store grows.
	Run(ctx context.Context)
	// Close ends the writing and releases what the store holds; calls that
	// still wait fail with ErrClosed. It may be called again.
	Close() error
}

// Values are kept for a life in named buckets. A life of 0 or less is for ever.
type Values interface {
	// Get returns a copy of the value under key; ok is false if there is none
	// or its life is over.
	Get(ctx context.Context, bucket, key string) (value []byte, ok bool, err error)
	// Put stores value under key, in place of what was there.
	Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
	// Delete removes what is under key; nothing there is no error.
	Delete(ctx context.Context, bucket, key string) error
}

// Sets are buckets whose keys matter more than their values.
type Sets interface {
	// Once reports true for the first call for key within life, over all
	// callers and restarts. Of many calls at once exactly one is the first.
	// After an error the caller must take it as not the first.
	Once(ctx context.Context, bucket, key string, life time.Duration) (first bool, err error)
	// List returns up to limit records of a bucket whose life is not over, in
	// the order of their keys. They were all read when it returns.
	List(ctx context.Context, bucket string, limit int) (iter.Seq2[string, []byte], error)
}

// Logs keep their newest MaxEntries entries each. Entries of one log have
// different times: one that comes at a taken time is put a nanosecond later, so
// reading on from the last time seen never misses any.
type Logs interface {
	// Append adds entry to a log.
	Append(ctx context.Context, log string, at time.Time, entry []byte) error
	// PutWithEntry stores value under key for ever and adds entry to a log,
	// both or neither, and returns once a loss of power cannot undo it.
	PutWithEntry(ctx context.Context, bucket, key string, value []byte, log string, at time.Time, entry []byte) error
	// Entries returns the newest entries of a log that are younger than since,
	// newest first, at most limit of them. They were all read when it returns.
	Entries(ctx context.Context, log string, since time.Time, limit int) (iter.Seq2[time.Time, []byte], error)
}

// Health is what operators see of a store.
type Health interface {
	// Kind names the sort of store.
	Kind() string
	// Healthy reports whether the last write succeeded.
	Healthy() bool
}
