package store_test

import (
	"context"
	"iter"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/store"
)

// What the rooms of the gateway may expect of any store.
type (
	values interface {
		Get(ctx context.Context, bucket, key string) (value []byte, ok bool, err error)
		Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
		Delete(ctx context.Context, bucket, key string) error
	}
	sets interface {
		Once(ctx context.Context, bucket, key string, life time.Duration) (first bool, err error)
		List(ctx context.Context, bucket string, most int) (iter.Seq2[string, []byte], error)
	}
	journal interface {
		Append(ctx context.Context, log string, at time.Time, entry []byte) error
		PutWithEntry(ctx context.Context, bucket, key string, value []byte, log string, at time.Time, entry []byte) error
		Entries(ctx context.Context, log string, since time.Time, limit int) (iter.Seq2[time.Time, []byte], error)
	}
	anyStore interface {
		values
		sets
		journal
	}
)

// A subject is a store under test: how it is made and how its time passes.
type subject struct {
	name   string
	inside func(t *testing.T, story func(t *testing.T)) // runs a story in the subject's time
	open   func(t *testing.T) anyStore                  // empty; ends with the test
	wait   func(d time.Duration)
}

var subjects = []subject{
	{name: "bolt", inside: synctest.Test, wait: time.Sleep, open: func(t *testing.T) anyStore {
		return open(t, filepath.Join(t.TempDir(), "gateway.db"))
	}},
}

func open(t testing.TB, path string) *store.Bolt {
	t.Helper()
	b, err := store.Open(store.Config{Path: path}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return b
}

func TestStore_KeepsTheContractOfAllStores(t *testing.T) {
	sentences := map[string]func(t *testing.T, s anyStore, wait func(time.Duration)){
		"a value is found until it is deleted":                       valueIsFoundUntilDeleted,
		"a value ends with its life":                                 valueEndsWithItsLife,
		"a value without a life stays":                               valueWithoutLifeStays,
		"buckets do not see each other, nor a log of the same name":  bucketsAreApart,
		"a list shows what lives, in order, up to its bound":         listShowsWhatLives,
		"once is true once, and again when its life is over":         onceIsTrueOnce,
		"of many at once exactly one is the first":                   oneOfManyIsFirst,
		"entries come newest first, after since, up to the limit":    entriesComeNewestFirst,
		"entries of one time keep their order and lose none":         entriesOfOneTime,
		"a value and its entry are written together":                 valueWithEntry,
		"what is too long or has no name is refused, and alone":      tooLongIsRefused,
		"an ended context is an error":                               endedContext,
		"what is returned may be changed without changing the store": copiesAreReturned,
	}
	for _, s := range subjects {
		for sentence, check := range sentences {
			t.Run(s.name+": "+sentence, func(t *testing.T) {
				s.inside(t, func(t *testing.T) { check(t, s.open(t), s.wait) })
			})
		}
	}
}

func valueIsFoundUntilDeleted(t *testing.T, s anyStore, _ func(time.Duration)) {
	ctx := t.Context()
	if _, ok, err := s.Get(ctx, "things", "a"); ok || err != nil {
		t.Fatalf("in an empty store: found %v, error %v", ok, err)
	}
	must(t, s.Put(ctx, "things", "a", []byte("1"), 0))
	must(t, s.Put(ctx, "things", "a", []byte("2"), 0))
	wantValue(t, s, "things", "a", "2")
	must(t, s.Delete(ctx, "things", "a"))
	must(t, s.Delete(ctx, "things", "a"))
	must(t, s.Delete(ctx, "never made", "a"))
	wantNothing(t, s, "things", "a")
}

func valueEndsWithItsLife(t *testing.T, s anyStore, wait func(time.Duration)) {
	must(t, s.Put(t.Context(), "things", "a", []byte("1"), 2*time.Second))
	wait(time.Second)
	wantValue(t, s, "things", "a", "1")
	wait(time.Second)
	wantNothing(t, s, "things", "a")
}

func valueWithoutLifeStays(t *testing.T, s anyStore, wait func(time.Duration)) {
	must(t, s.Put(t.Context(), "things", "a", nil, 0))
	wait(3 * time.Second)
	wantValue(t, s, "things", "a", "")
}

func bucketsAreApart(t *testing.T, s anyStore, _ func(time.Duration)) {
	must(t, s.Put(t.Context(), "x", "a", []byte("1"), 0))
	must(t, s.Append(t.Context(), "x", time.Now(), []byte("entry")))
	wantNothing(t, s, "y", "a")
	if got := list(t, s, "x", 10); got != "a=1" {
		t.Errorf("the bucket holds %q", got)
	}
	if got := entries(t, s, "x", time.Time{}, 10); got != "entry" {
		t.Errorf("the log holds %q", got)
	}
}

func listShowsWhatLives(t *testing.T, s anyStore, wait func(time.Duration)) {
	ctx := t.Context()
	must(t, s.Put(ctx, "things", "b", []byte("2"), time.Second))
	must(t, s.Put(ctx, "things", "c", []byte("3"), 0))
	must(t, s.Put(ctx, "things", "a", []byte("1"), 0))
	if got := list(t, s, "things", 2); got != "a=1 b=2" {
		t.Errorf("two at most: %q", got)
	}
	wait(time.Second)
	if got := list(t, s, "things", 2); got != "a=1 c=3" {
		t.Errorf("after the life of b: %q", got)
	}
	if got := list(t, s, "nothing", 2); got != "" {
		t.Errorf("an unknown bucket holds %q", got)
	}
}

func onceIsTrueOnce(t *testing.T, s anyStore, wait func(time.Duration)) {
	wantOnce(t, s, "a", true)
	wantOnce(t, s, "a", false)
	wantOnce(t, s, "b", true)
	wait(time.Second)
	wantOnce(t, s, "a", false)
	wait(time.Second)
	wantOnce(t, s, "a", true)
}

func oneOfManyIsFirst(t *testing.T, s anyStore, _ func(time.Duration)) {
	for round := range 20 {
		var firsts atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				first, err := s.Once(t.Context(), "spent", strconv.Itoa(round), time.Minute)
				if err != nil {
					t.Error(err)
				}
				if first {
					firsts.Add(1)
				}
			})
		}
		wg.Wait()
		if n := firsts.Load(); n != 1 {
			t.Fatalf("round %d: %d callers were the first", round, n)
		}
	}
}
