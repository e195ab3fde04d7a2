// Package storetest holds any store against the contract in package store.
package storetest

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/store"
)

// A Subject is a kind of store under test.
type Subject struct {
	// Open returns an empty store that is closed when the test ends.
	Open func(t *testing.T) store.Store
	// Inside runs a story in the store's time: synctest.Test if virtual time
	// governs it, else a function that only calls story.
	Inside func(t *testing.T, story func(t *testing.T))
	// Wait lets the store's time pass.
	Wait func(d time.Duration)
}

// Run tells every sentence of the contract of a fresh store each.
func Run(t *testing.T, s Subject) {
	for _, c := range []struct {
		sentence string
		holds    func(t *testing.T, s store.Store, wait func(time.Duration))
	}{
		{"a value is found until it is deleted", valueIsFoundUntilDeleted},
		{"a value ends with its life", valueEndsWithItsLife},
		{"the shortest life is not for ever", shortLifeIsNotForEver},
		{"a value without a life stays", valueWithoutLifeStays},
		{"buckets do not see each other, nor a log of the same name", bucketsAreApart},
		{"a list shows what lives, in order, up to its bound", listShowsWhatLives},
		{"once is true once, and again when its life is over", onceIsTrueOnce},
		{"of many at once exactly one is the first", oneOfManyIsFirst},
		{"entries come newest first, after since, up to the limit", entriesComeNewestFirst},
		{"entries of one time keep their order and lose none", entriesOfOneTime},
		{"a value and its entry are written together", valueWithEntry},
		{"what is too long or has no name is refused, and alone", tooLongIsRefused},
		{"an ended context is an error", endedContext},
		{"a closed store refuses everything", closedRefuses},
		{"what is returned may be changed without changing the store", copiesAreReturned},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s.Inside(t, func(t *testing.T) { c.holds(t, s.Open(t), s.Wait) })
		})
	}
}

func closedRefuses(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx := t.Context()
	must(t, s.Put(ctx, "things", "a", nil, 0))
	must(t, s.Close())
	must(t, s.Close())
	_, found, getErr := s.Get(ctx, "things", "a")
	first, onceErr := s.Once(ctx, "things", "b", 0)
	_, listErr := s.List(ctx, "things", 1)
	_, entriesErr := s.Entries(ctx, "audit", time.Time{}, 1)
	if found || first {
		t.Errorf("found %v, first %v", found, first)
	}
	for name, err := range map[string]error{
		"Get": getErr, "Once": onceErr, "List": listErr, "Entries": entriesErr,
		"Put":          s.Put(ctx, "things", "a", nil, 0),
		"Delete":       s.Delete(ctx, "things", "a"),
		"Append":       s.Append(ctx, "audit", time.Now(), nil),
		"PutWithEntry": s.PutWithEntry(ctx, "things", "a", nil, "audit", time.Now(), nil),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

func valueIsFoundUntilDeleted(t *testing.T, s store.Store, _ func(time.Duration)) {
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

func valueEndsWithItsLife(t *testing.T, s store.Store, wait func(time.Duration)) {
	must(t, s.Put(t.Context(), "things", "a", []byte("1"), 2*time.Second))
	wait(time.Second)
	wantValue(t, s, "things", "a", "1")
	wait(time.Second)
	wantNothing(t, s, "things", "a")
}

func shortLifeIsNotForEver(t *testing.T, s store.Store, wait func(time.Duration)) {
	must(t, s.Put(t.Context(), "things", "a", []byte("1"), 1))
	wait(time.Second)
	wantNothing(t, s, "things", "a")
}

func valueWithoutLifeStays(t *testing.T, s store.Store, wait func(time.Duration)) {
	must(t, s.Put(t.Context(), "things", "a", nil, 0))
	wait(3 * time.Second)
	wantValue(t, s, "things", "a", "")
}

func bucketsAreApart(t *testing.T, s store.Store, _ func(time.Duration)) {
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

func listShowsWhatLives(t *testing.T, s store.Store, wait func(time.Duration)) {
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

func onceIsTrueOnce(t *testing.T, s store.Store, wait func(time.Duration)) {
	wantOnce(t, s, "a", true)
	wantOnce(t, s, "a", false)
	wantOnce(t, s, "b", true)
	wait(time.Second)
	wantOnce(t, s, "a", false)
	wait(time.Second)
	wantOnce(t, s, "a", true)
}

func oneOfManyIsFirst(t *testing.T, s store.Store, _ func(time.Duration)) {
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
