package store

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// OpenBroken opens a store that holds things/before = kept and whose disk then
// refuses every write.
func OpenBroken(t *testing.T, path string) *Bolt {
	b, err := Open(Config{Path: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if err := b.Put(t.Context(), "things", "before", []byte("kept"), 0); err != nil {
		t.Fatal(err)
	}
	if err := b.file.Close(); err != nil {
		t.Fatal(err)
	}
	return b
}

// Hold keeps the writer busy, as a disk that hangs does, until release is
// closed.
func (b *Bolt) Hold() (release chan struct{}) {
	release = make(chan struct{})
	held := make(chan struct{})
	b.jobs <- &job{done: make(chan error, 1), apply: func(*bbolt.Tx) error {
		close(held)
		<-release
		return nil
	}}
	<-held
	return release
}

// Preload puts an empty value without waiting for the write.
func (b *Bolt) Preload(bucket, key string, life time.Duration) {
	record := withLife(nil, time.Now(), life)
	b.jobs <- &job{done: make(chan error, 1), apply: func(tx *bbolt.Tx) error { return put(tx, bucket, key, record) }}
}

// Records counts a bucket's records, the expired ones too.
func (b *Bolt) Records(bucket string) (n int) {
	_ = b.write(context.Background(), func(tx *bbolt.Tx) error { // behind all writes before
		n = 0
		return tx.Bucket(valuesOf(bucket)).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	return n
}
