package store

import (
	"context"
	"fmt"
)

// Limits of what one call may store, in every store. They keep one bad caller
// from failing the write that others share with it.
const (
	MaxKey     = 1 << 10 // bytes of a key, a bucket's name or a log's name
	MaxValue   = 1 << 20 // bytes of a value or an entry
	MaxEntries = 10_000  // entries of a log; the oldest go first
)

// Check says why a store refuses a call: its context has ended, or the name of
// the bucket or log, the key or the value is outside the limits.
func Check(ctx context.Context, name, key string, value []byte) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case name == "" || len(name) > MaxKey:
		return fmt.Errorf("store: the name of a bucket or log must have 1 to %d bytes, has %d", MaxKey, len(name))
	case key == "" || len(key) > MaxKey:
		return fmt.Errorf("store: a key must have 1 to %d bytes, has %d", MaxKey, len(key))
	case len(value) > MaxValue:
		return fmt.Errorf("store: a value may have %d bytes, has %d", MaxValue, len(value))
	}
	return nil
}
