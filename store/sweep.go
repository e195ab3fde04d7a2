package store

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// How often and in what helpings Run clears away. A reader that stays long
// holds up the file's growth, and a big write holds up the writes behind it.
const (
	sweepEvery = 10 * time.Second
	sweepRead  = 4096 // records looked at in one transaction
	sweepWrite = 256  // records deleted in one transaction
)

// List returns up to most records of a bucket whose life is not over, in the
// order of their keys. They were all read when it returns.
func (b *Bolt) List(ctx context.Context, bucket string, most int) (iter.Seq2[string, []byte], error) {
	if err := check(ctx, bucket, bucket, nil); err != nil {
		return nil, err
	}
	var keys []string
	var found [][]byte
	now := time.Now()
	err := b.view(func(tx *bbolt.Tx) error {
		values := tx.Bucket(valuesOf(bucket))
		if values == nil {
			return nil
		}
		cursor := values.Cursor()
		for key, record := cursor.First(); key != nil && len(keys) < most; key, record = cursor.Next() {
			if value, ok := alive(record, now); ok {
				keys = append(keys, string(key))
				found = append(found, append([]byte(nil), value...))
			}
		}
		return nil
	})
	return func(yield func(string, []byte) bool) {
		for i := range keys {
			if !yield(keys[i], found[i]) {
				return
			}
		}
	}, err
}

// Run clears away what has outlived its life, and tries a store that could not
// be written again, until ctx ends. Without it nothing expired is ever
// returned, but the file grows.
func (b *Bolt) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.quit:
			return
		case <-tick.C:
		}
		if err := b.sweep(ctx); err != nil && ctx.Err() == nil {
			b.log.Warn("the store could not be cleared of what expired", "error", err)
		}
		if !b.Healthy() { // nobody else may write for hours
			_ = b.Put(ctx, "store", "probe", nil, time.Second)
		}
	}
}

func (b *Bolt) sweep(ctx context.Context) error {
	var buckets [][]byte
	err := b.view(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			if bytes.HasPrefix(name, valuesOf("")) {
				buckets = append(buckets, bytes.Clone(name))
			}
			return nil
		})
	})
	for _, bucket := range buckets {
		for from := []byte(nil); err == nil; {
			var expired [][]byte
			expired, from, err = b.expired(bucket, from)
			for helping := range slices.Chunk(expired, sweepWrite) {
				if err == nil {
					err = b.deleteExpired(ctx, bucket, helping)
				}
			}
			if from == nil {
				break
			}
		}
	}
	return err
}

// expired looks at the records from a key on and returns the keys of those
// whose life is over, and where to look on; nil at the end.
func (b *Bolt) expired(bucket, from []byte) (keys [][]byte, next []byte, err error) {
	now := time.Now()
	err = b.view(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(bucket).Cursor()
		key, record := cursor.Seek(from)
		for range sweepRead {
			if key == nil {
				return nil
			}
			if _, ok := alive(record, now); !ok {
				keys = append(keys, bytes.Clone(key))
			}
			key, record = cursor.Next()
		}
		next = bytes.Clone(key)
		return nil
	})
	return keys, next, err
}

// deleteExpired looks at each record again: it may be a new one by now.
func (b *Bolt) deleteExpired(ctx context.Context, bucket []byte, keys [][]byte) error {
	now := time.Now()
	return b.write(ctx, func(tx *bbolt.Tx) error {
		values := tx.Bucket(bucket)
		for _, key := range keys {
			if _, ok := alive(values.Get(key), now); ok {
				continue
			}
			if err := values.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
}
