package once

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"
)

// A Store decides once and for all, across restarts and for a whole fleet.
type Store interface {
	// Once reports whether key is named in bucket for the first time within
	// life, and remembers it that long.
	Once(ctx context.Context, bucket, key string, life time.Duration) (first bool, err error)
}

// Spent remembers what was used up: in memory, so that a flood of repetitions
// costs nothing, and in a Store, which has the last word.
type Spent struct {
	set    *Set
	store  Store
	bucket string
}

// NewSpent returns a Spent that keeps its keys in the named bucket of store.
// Set should be for it alone. It may hold less than the store, in number and in
// time: what it has forgotten the store still knows.
func NewSpent(set *Set, store Store, bucket string) *Spent {
	return &Spent{set: set, store: store, bucket: bucket}
}

// Known reports whether key was spent as far as memory tells. It does not wait,
// and what it does not know the store may know.
func (s *Spent) Known(key string) bool { return s.set.Has(shortened(key)) }

// Generation is always the same: the Store forgets nothing before its time.
func (s *Spent) Generation() string { return "" }

func shortened(key string) [16]byte {
	sum := sha256.Sum256([]byte(key))
	return [16]byte(sum[:16])
}

// Spend reports whether key is used for the first time, and remembers it for at
// least life. An error means that nobody knows; the caller must then not act as
// if it were the first. Spending it again later asks the store again, which may
// have noted the first try.
func (s *Spent) Spend(ctx context.Context, key string, life time.Duration) (first bool, err error) {
	short := shortened(key)
	if !s.set.Add(short) {
		return false, nil
	}
	decided := false
	defer func() {
		if !decided { // also if the store panics
			s.set.Remove(short)
		}
	}()
	first, err = s.store.Once(ctx, s.bucket, key, life)
	if err != nil {
		return false, fmt.Errorf("once: cannot note a use in bucket %s of the store: %w", s.bucket, err)
	}
	decided = true
	return first, nil
}
