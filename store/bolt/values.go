package bolt

import (
	"context"
	"encoding/binary"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"captchagate/store"
)

// Get returns a copy of the value under key; ok is false if there is none
// or its life is over.
func (s *Store) Get(ctx context.Context, bucket, key string) (value []byte, ok bool, err error) {
	if err := store.Check(ctx, bucket, key, nil); err != nil {
		return nil, false, err
	}
	now := time.Now()
	err = s.view(func(tx *bbolt.Tx) error {
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
func (s *Store) Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error {
	if err := store.Check(ctx, bucket, key, value); err != nil {
		return err
	}
	record := withLife(value, time.Now(), life)
	return s.write(ctx, func(tx *bbolt.Tx) error { return put(tx, bucket, key, record) })
}

// Delete removes what is under key; nothing there is no error.
func (s *Store) Delete(ctx context.Context, bucket, key string) error {
	if err := store.Check(ctx, bucket, key, nil); err != nil {
		return err
	}
	return s.write(ctx, func(tx *bbolt.Tx) error {
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
func (s *Store) Once(ctx context.Context, bucket, key string, life time.Duration) (bool, error) {
	if _, taken, err := s.Get(ctx, bucket, key); taken || err != nil {
		return false, err
	}
	now := time.Now()
	record := withLife(nil, now, life)
	first := false // not to be read before the write is over
	err := s.write(ctx, func(tx *bbolt.Tx) error {
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

// List returns up to limit records of a bucket whose life is not over, in the
// order of their keys. They were all read when it returns.
func (s *Store) List(ctx context.Context, bucket string, limit int) (iter.Seq2[string, []byte], error) {
	if err := store.Check(ctx, bucket, bucket, nil); err != nil {
		return nil, err
	}
	var keys []string
	var found [][]byte
	now := time.Now()
	err := s.view(func(tx *bbolt.Tx) error {
		values := tx.Bucket(valuesOf(bucket))
		if values == nil {
			return nil
		}
		cursor := values.Cursor()
		for key, record := cursor.First(); key != nil && len(keys) < limit; key, record = cursor.Next() {
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
