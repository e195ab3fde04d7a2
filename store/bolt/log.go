package bolt

import (
	"context"
	"encoding/binary"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"captchagate/store"
)

// An entry's key is its time in Unix nanoseconds: one entry to a nanosecond.
const timeBytes = 8

// Append adds entry to a log. Entries of one log have different times: one
// that comes at a taken time is put a nanosecond later, so reading on from the
// last time seen never misses any. A log keeps its newest MaxEntries.
func (s *Store) Append(ctx context.Context, log string, at time.Time, entry []byte) error {
	if err := store.Check(ctx, log, log, entry); err != nil {
		return err
	}
	return s.write(ctx, func(tx *bbolt.Tx) error { return s.append(tx, log, at, entry) })
}

// PutWithEntry stores value under key for ever and adds entry to a log, both
// or neither, and returns once they are on the disk.
func (s *Store) PutWithEntry(ctx context.Context, bucket, key string, value []byte, log string, at time.Time, entry []byte) error {
	if err := store.Check(ctx, bucket, key, value); err != nil {
		return err
	}
	if err := store.Check(ctx, log, log, entry); err != nil {
		return err
	}
	record := withLife(value, at, 0)
	err := s.write(ctx, func(tx *bbolt.Tx) error {
		if err := put(tx, bucket, key, record); err != nil {
			return err
		}
		return s.append(tx, log, at, entry)
	})
	if err != nil {
		return err
	}
	return s.sync(ctx)
}

// Entries returns the newest entries of a log that are younger than since,
// newest first, at most limit of them. They were all read when it returns.
func (s *Store) Entries(ctx context.Context, log string, since time.Time, limit int) (iter.Seq2[time.Time, []byte], error) {
	if err := store.Check(ctx, log, log, nil); err != nil {
		return nil, err
	}
	var times []time.Time
	var values [][]byte
	err := s.view(func(tx *bbolt.Tx) error {
		entries := tx.Bucket(entriesOf(log))
		if entries == nil {
			return nil
		}
		cursor := entries.Cursor()
		for key, value := cursor.Last(); key != nil && len(times) < limit; key, value = cursor.Prev() {
			at := timeOf(key)
			if !at.After(since) {
				break
			}
			times = append(times, at)
			values = append(values, append([]byte(nil), value...))
		}
		return nil
	})
	return func(yield func(time.Time, []byte) bool) {
		for i := range times {
			if !yield(times[i], values[i]) {
				return
			}
		}
	}, err
}

// append runs in the writer, which alone knows the counts.
func (s *Store) append(tx *bbolt.Tx, log string, at time.Time, entry []byte) error {
	entries, err := tx.CreateBucketIfNotExists(entriesOf(log))
	if err != nil {
		return err
	}
	n, known := s.counts[log]
	if !known {
		_ = entries.ForEach(func(_, _ []byte) error { n++; return nil })
	}
	key := keyOf(at)
	for entries.Get(key) != nil {
		at = at.Add(1)
		key = keyOf(at)
	}
	if err := entries.Put(key, entry); err != nil {
		return err
	}
	for n++; n > store.MaxEntries; n-- {
		oldest, _ := entries.Cursor().First()
		if err := entries.Delete(oldest); err != nil {
			return err
		}
	}
	s.counts[log] = n
	return nil
}

func keyOf(at time.Time) []byte {
	nanos := max(at.UnixNano(), 0) // before 1970 the order of the keys would turn round
	return binary.BigEndian.AppendUint64(make([]byte, 0, timeBytes), uint64(nanos))
}

func timeOf(key []byte) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(key))).UTC()
}
