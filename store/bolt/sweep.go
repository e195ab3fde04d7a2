package bolt

import (
	"bytes"
	"context"
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

// Run clears away what has outlived its life, and tries a store that could not
// be written again, until ctx ends. Without it nothing expired is ever
// returned, but the file grows.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.quit:
			return
		case <-tick.C:
		}
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the store could not be cleared of what expired", "error", err)
		}
		if !s.Healthy() { // nobody else may write for hours
			_ = s.Put(ctx, "store", "probe", nil, time.Second)
		}
	}
}

func (s *Store) sweep(ctx context.Context) error {
	var buckets [][]byte
	err := s.view(func(tx *bbolt.Tx) error {
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
			expired, from, err = s.expired(bucket, from)
			for helping := range slices.Chunk(expired, sweepWrite) {
				if err == nil {
					err = s.deleteExpired(ctx, bucket, helping)
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
// whose life is over, and where to go on; nil at the end.
func (s *Store) expired(bucket, from []byte) (keys [][]byte, next []byte, err error) {
	now := time.Now()
	err = s.view(func(tx *bbolt.Tx) error {
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
func (s *Store) deleteExpired(ctx context.Context, bucket []byte, keys [][]byte) error {
	now := time.Now()
	return s.write(ctx, func(tx *bbolt.Tx) error {
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
