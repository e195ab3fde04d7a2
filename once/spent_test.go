package once_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/once"
)

// A durable store, as the real ones: a memory that several instances share.
type durable struct {
	mu    sync.Mutex
	ends  map[string]time.Time
	calls int
	err   error
	crash bool
}

func (d *durable) Once(_ context.Context, bucket, key string, life time.Duration) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.crash {
		panic("the store crashed")
	}
	if d.err != nil {
		return true, d.err // a store that says "first" with its error must not be believed
	}
	if d.ends == nil {
		d.ends = make(map[string]time.Time)
	}
	name := bucket + "/" + key
	if time.Now().Before(d.ends[name]) {
		return false, nil
	}
	d.ends[name] = time.Now().Add(life)
	return true, nil
}

// instance returns what one instance of the gateway has.
func instance(store once.Store) *once.Spent {
	return once.NewSpent(once.NewSet(5*time.Minute, 1000), store, "solutions")
}

func TestSpent_IsFirstOnceInAllInstances(t *testing.T) {
	store := new(durable)
	instances := []*once.Spent{instance(store), instance(store), instance(store)}
	var firsts atomic.Int64
	atOnce(300, func(i int) {
		first, err := instances[i%3].Spend(t.Context(), "solution", time.Minute)
		if err != nil {
			t.Error(err)
		}
		if first {
			firsts.Add(1)
		}
	})
	if firsts.Load() != 1 {
		t.Errorf("spent %d times", firsts.Load())
	}
	if store.calls != 3 {
		t.Errorf("the store was asked %d times, want once by each instance", store.calls)
	}
	if first, _ := instances[0].Spend(t.Context(), "another", time.Minute); !first {
		t.Error("another key is not the first")
	}
}

func TestSpent_IsKnownAfterARestart(t *testing.T) {
	store := new(durable)
	_, _ = instance(store).Spend(t.Context(), "solution", time.Minute)
	if first, err := instance(store).Spend(t.Context(), "solution", time.Minute); first || err != nil {
		t.Errorf("got %v, %v", first, err)
	}
}

func TestSpent_TheStoreKnowsWhatMemoryForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(durable)
		s := once.NewSpent(once.NewSet(time.Minute, 1), store, "solutions")
		for _, k := range []string{"one", "two"} { // the second drops the first from memory
			_, _ = s.Spend(t.Context(), k, time.Hour)
		}
		if first, _ := s.Spend(t.Context(), "one", time.Hour); first {
			t.Error("a key dropped for the bound is new again")
		}
		time.Sleep(2 * time.Minute)
		if first, _ := s.Spend(t.Context(), "two", time.Hour); first {
			t.Error("a key expired in memory is new again before its life in the store ended")
		}
		if store.ends["solutions/one"].IsZero() {
			t.Errorf("the bucket is not the named one: %v", store.ends)
		}
	})
}

func TestSpent_AStoreThatIsAwayIsAnErrorAndNotAUse(t *testing.T) {
	gone := errors.New("connection refused")
	store := &durable{err: gone}
	s := instance(store)
	for range 2 {
		if first, err := s.Spend(t.Context(), "solution", time.Minute); first || !errors.Is(err, gone) {
			t.Errorf("got %v, %v", first, err)
		}
	}
	store.err = nil
	if first, err := s.Spend(t.Context(), "solution", time.Minute); !first || err != nil {
		t.Errorf("once the store is back: %v, %v", first, err)
	}
	if first, _ := s.Spend(t.Context(), "solution", time.Minute); first {
		t.Error("spent twice")
	}
}

func TestSpent_AStoreThatPanicsLeavesNoTrace(t *testing.T) {
	store := &durable{crash: true}
	s := instance(store)
	func() {
		defer func() { _ = recover() }()
		_, _ = s.Spend(t.Context(), "solution", time.Minute)
	}()
	store.crash = false
	if first, err := s.Spend(t.Context(), "solution", time.Minute); !first || err != nil {
		t.Errorf("got %v, %v", first, err)
	}
}

func BenchmarkSpent_Repeated(b *testing.B) {
	s := instance(new(durable))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Spend(b.Context(), "solution", time.Minute)
	}
}
