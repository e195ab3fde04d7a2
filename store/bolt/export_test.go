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

// Format is the form that the closed file at path says, "" if none; with a form to say, it
// says that one from now on.
func Format(t *testing.T, path string, say ...string) (said string) {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(formatBucket)
		if err != nil {
			return err
		}
		said = string(bucket.Get(formatKey))
		for _, form := range say {
			err = errors.Join(err, bucket.Put(formatKey, []byte(form)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// Unmark takes away what the closed file at path says of its form, as releases left it that
// knew of none.
func Unmark(t *testing.T, path string) {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket(formatBucket) }); err != nil {
		t.Fatal(err)
	}
}
