package once_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/once"
)

// batches are a store's records with a life.
type batches struct {
	mu      sync.Mutex
	records map[string][]byte
	ends    map[string]time.Time
	puts    int
	err     error
}

func newBatches() *batches {
	return &batches{records: map[string][]byte{}, ends: map[string]time.Time{}}
}

func (b *batches) Put(_ context.Context, bucket, key string, value []byte, life time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	if b.err != nil {
		return b.err
	}
	b.records[bucket+"/"+key], b.ends[bucket+"/"+key] = slices.Clone(value), time.Now().Add(life)
	return nil
}

func (b *batches) List(_ context.Context, bucket string, limit int) (iter.Seq2[string, []byte], error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, b.err
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(b.records)) {
		if strings.HasPrefix(name, bucket+"/") && time.Now().Before(b.ends[name]) && len(names) < limit {
			names = append(names, name)
		}
	}
	return func(yield func(string, []byte) bool) {
		for _, name := range names {
			if !yield(strings.TrimPrefix(name, bucket+"/"), b.records[name]) {
				return
			}
		}
	}, nil
}

func (b *batches) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func lasting(t *testing.T, store *batches, log *slog.Logger) *once.LastingSet {
	t.Helper()
	s, err := once.NewLastingSet(t.Context(), 5*time.Minute, 1_000_000, store, "refusals", log)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// running runs the set until the returned function ends it.
func running(t *testing.T, s *once.LastingSet) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

var silent = slog.New(slog.DiscardHandler)

// A7: a kill loses at most the last second, an ordinary end nothing, and what
// comes back lives for what is left of its life.
func TestLastingSet_OutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newBatches()
		first := lasting(t, store, silent)
		stop := running(t, first)
		for n := range uint64(10_000) {
			first.Add(key(n))
		}
		time.Sleep(time.Second)
		if again := lasting(t, store, silent); !again.Has(key(0)) || !again.Has(key(9_999)) || again.Has(key(10_000)) {
			t.Error("after a kill what was added a second before is not known")
		}
		first.Add(key(10_000))
		stop()
		time.Sleep(4*time.Minute + 58*time.Second)
		second := lasting(t, store, silent)
		if !second.Has(key(1)) || !second.Has(key(10_000)) || second.Add(key(1)) {
			t.Error("after an ordinary end it is not all known")
		}
		time.Sleep(2 * time.Second)
		if second.Has(key(1)) || second.Has(key(10_000)) {
			t.Error("it is known beyond its life")
		}
	})
}

func TestLastingSet_WritesNothingInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newBatches()
		stop := running(t, lasting(t, store, silent))
		time.Sleep(time.Hour)
		stop()
		if store.puts != 0 {
			t.Errorf("%d writes although nothing was added", store.puts)
		}
	})
}

// A store that is away is told once and once more when it is back, and what came
// meanwhile is written then.
func TestLastingSet_WaitsForItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		store := newBatches()
		s := lasting(t, store, slog.New(slog.NewTextHandler(&log, nil)))
		stop := running(t, s)
		store.fail(errors.New("disk full"))
		for n := range uint64(60) {
			s.Add(key(n))
			time.Sleep(time.Second)
		}
		store.fail(nil)
		time.Sleep(time.Second)
		stop()
		if again := lasting(t, store, silent); !again.Has(key(0)) || !again.Has(key(59)) {
			t.Error("what came while the store was away is lost")
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 {
			t.Errorf("the log tells it in %d lines:\n%s", lines, &log)
		}
		store.fail(errors.New("no such file"))
		if _, err := once.NewLastingSet(t.Context(), time.Minute, 10, store, "refusals", silent); err == nil {
			t.Error("it begins although it cannot know what was refused before")
		}
	})
}

// What is in the store but no batch of keys is passed over.
func TestLastingSet_PassesOverWhatIsNotItsOwn(t *testing.T) {
	store := newBatches()
	_ = store.Put(t.Context(), "refusals", "no time", []byte("0123456789abcdef"), time.Minute)
	_ = store.Put(t.Context(), "refusals", "12.1", []byte("short"), time.Minute)
	if s := lasting(t, store, silent); s.Len() != 0 {
		t.Errorf("it took over %d keys", s.Len())
	}
}

// A7: ten million distinct tickets take no more memory than the bound, and the
// set says that it cannot know them all.
func TestSet_SaysThatItForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := once.NewSet(5*time.Minute, 1000)
		for n := range uint64(1000) {
			s.Add(key(n))
		}
		if s.Forgetful() {
			t.Error("forgetful although all had room")
		}
		time.Sleep(time.Minute)
		s.Add(key(1000))
		if !s.Forgetful() || s.Has(key(0)) {
			t.Error("one went early, and it does not say so")
		}
		time.Sleep(4*time.Minute - 1)
		if !s.Forgetful() {
			t.Error("the one that went would still live")
		}
		time.Sleep(1)
		if s.Forgetful() {
			t.Error("forgetful for longer than the one that went early would have lived")
		}
	})
}

// Whoever is over budget has a key added and removed again. That makes nobody
// else's key go early, and leaves nothing behind.
func TestSet_RemovedKeysTakeNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := once.NewSet(5*time.Minute, 1000)
		s.Add(key(1))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for n := range uint64(200_000) {
			s.Add(key(n + 2))
			s.Remove(key(n + 2))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if !s.Has(key(1)) || s.Forgetful() || s.Add(key(1)) {
			t.Error("a key went early for keys that were removed")
		}
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
			t.Errorf("%d bytes stay behind", grown)
		}
		runtime.KeepAlive(s)
	})
}

// Keys that expire in place, are added anew, removed and swept in any order leave
// the set as exact as before.
func TestSet_StaysExactWithGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := once.NewSet(time.Minute, 100_000)
		for round := range uint64(50) {
			for n := range uint64(3000) {
				s.Add(key(n))
			}
			for n := range uint64(3000) {
				if n%3 != round%3 {
					s.Remove(key(n))
				}
			}
			for n := range uint64(3000) {
				if got, want := s.Has(key(n)), n%3 == round%3; got != want {
					t.Fatalf("round %d: key %d is there: %v", round, n, got)
				}
			}
			time.Sleep(61 * time.Second)
			if s.Has(key(round)) {
				t.Fatal("a key outlives its life")
			}
		}
	})
}
