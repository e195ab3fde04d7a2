package once

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// flushEvery is how often what is new is written: a kill loses no more.
	flushEvery = 500 * time.Millisecond
	// flushTime bounds one write.
	flushTime = 5 * time.Second
	// maxBatch is how many keys one record of the store holds: 64 KiB.
	maxBatch = 4096
	// maxBatches is how many records are read at the start.
	maxBatches = 10_000
)

// Batches is where a LastingSet keeps its keys.
type Batches interface {
	// Put stores value under key for a life.
	Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
	// List returns up to limit records of a bucket whose life is not over, in
	// the order of their keys.
	List(ctx context.Context, bucket string, limit int) (iter.Seq2[string, []byte], error)
}

// A LastingSet is a Set that outlives the process. Nobody waits for the store:
// keys are written in batches, and a kill loses those of the last half second.
type LastingSet struct {
	*Set
	store  Batches
	bucket string
	log    *slog.Logger

	mu      sync.Mutex
	pending [][16]byte
	written int // batches, so that no two have the same name
}

// NewLastingSet returns a LastingSet that knows what the named bucket of store
// holds. It writes only while Run runs. See NewSet for life and capacity.
func NewLastingSet(ctx context.Context, life time.Duration, capacity int, store Batches, bucket string, log *slog.Logger) (*LastingSet, error) {
	s := &LastingSet{Set: NewSet(life, capacity), store: store, bucket: bucket, log: log}
	batches, err := store.List(ctx, bucket, maxBatches)
	if err != nil {
		return nil, fmt.Errorf("once: cannot read bucket %s of the store: %w", bucket, err)
	}
	for name, keys := range batches {
		nanoseconds, _, _ := strings.Cut(name, ".")
		at, err := strconv.ParseInt(nanoseconds, 10, 64)
		if err != nil {
			continue // not one of ours
		}
		left := life - max(time.Since(time.Unix(0, at)), 0)
		for key := range slices.Chunk(keys, 16) {
			if len(key) == 16 {
				s.restore([16]byte(key), left)
			}
		}
	}
	return s, nil
}

// Add puts key into the set and reports whether it was not there.
func (s *LastingSet) Add(key [16]byte) (first bool) {
	if !s.Set.Add(key) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) < s.capacity { // beyond that the set itself has forgotten the oldest
		s.pending = append(s.pending, key)
	}
	return true
}

// Run writes what is new until ctx ends, and once more then.
func (s *LastingSet) Run(ctx context.Context) {
	ticks := time.NewTicker(flushEvery)
	defer ticks.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			if err := s.flush(context.WithoutCancel(ctx)); err != nil {
				s.tell(err)
			}
			return
		case <-ticks.C:
		}
		err := s.flush(ctx)
		if failed := err != nil; failed != failing {
			failing = failed
			s.tell(err)
		}
	}
}

func (s *LastingSet) tell(err error) {
	if err != nil {
		s.log.Error("what must be remembered over a restart cannot be written; it is kept in memory and tried again", "about", "tickets "+s.bucket, "error", err)
		return
	}
	s.log.Info("what must be remembered over a restart is written again", "about", "tickets "+s.bucket)
}

// flush writes what is pending. What could not be written stays pending.
func (s *LastingSet) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	for {
		s.mu.Lock()
		batch := s.pending[:min(len(s.pending), maxBatch)]
		s.mu.Unlock()
		if len(batch) == 0 {
			return nil
		}
		s.written++
		name := fmt.Sprintf("%020d.%d", time.Now().UnixNano(), s.written)
		if err := s.store.Put(ctx, s.bucket, name, slices.Concat(asSlices(batch)...), s.life); err != nil {
			return err
		}
		s.mu.Lock()
		s.pending = slices.Clone(s.pending[len(batch):]) // lets go of what was written
		s.mu.Unlock()
	}
}

func asSlices(keys [][16]byte) [][]byte {
	each := make([][]byte, len(keys))
	for i := range keys {
		each[i] = keys[i][:]
	}
	return each
}
