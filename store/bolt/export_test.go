package bolt

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// OpenBroken opens a store that holds things/before = kept and whose disk then
// refuses every write.
func OpenBroken(t *testing.T, path string) *Store {
	s, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Put(t.Context(), "things", "before", []byte("kept"), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.file.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// Hold keeps the writer busy, as a disk that hangs does, until release is
// closed.
func (s *Store) Hold() (release chan struct{}) {
	release = make(chan struct{})
	held := make(chan struct{})
	s.jobs <- &job{done: make(chan error, 1), apply: func(*bbolt.Tx) error {
		close(held)
		<-release
		return nil
	}}
	<-held
	return release
}

// Preload puts an empty value without waiting for the write.
func (s *Store) Preload(bucket, key string, life time.Duration) {
	record := withLife(nil, time.Now(), life)
	s.jobs <- &job{done: make(chan error, 1), apply: func(tx *bbolt.Tx) error { return put(tx, bucket, key, record) }}
}

// Records counts a bucket's records, the expired ones too.
func (s *Store) Records(bucket string) (n int) {
	_ = s.write(context.Background(), func(tx *bbolt.Tx) error { // behind all writes before
		n = 0
		return tx.Bucket(valuesOf(bucket)).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	return n
}

// Fail queues a write that fails, and returns its answer to come.
func (s *Store) Fail() <-chan error {
	j := &job{done: make(chan error, 1), apply: func(*bbolt.Tx) error { return errors.New("no space left") }}
	s.jobs <- j
	return j.done
}

// BreakSync makes every sync fail from now on; writes go on working.
func (s *Store) BreakSync(t *testing.T) {
	broken, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	_ = broken.Close()
	s.file = broken
}

// LookOver looks the open file over until a deadline.
func (s *Store) LookOver(deadline time.Time) error { return s.lookOver(deadline) }
