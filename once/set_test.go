package once_test

import (
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/once"
)

// key makes keys that differ.
func key(n uint64) (k [16]byte) {
	binary.LittleEndian.PutUint64(k[:], n)
	return k
}

func TestSet_KeepsAKeyForExactlyItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := once.NewSet(5*time.Minute, 100)
		if s.Has(key(1)) || !s.Add(key(1)) || !s.Has(key(1)) {
			t.Fatal("a key is not added the first time, and once")
		}
		time.Sleep(5*time.Minute - 1)
		if !s.Has(key(1)) || s.Add(key(1)) {
			t.Error("gone a nanosecond before its end")
		}
		time.Sleep(1) // adding it again has not made it live longer
		if s.Has(key(1)) {
			t.Error("there at its end")
		}
		if !s.Add(key(1)) {
			t.Error("not to be added again after its end")
		}
		time.Sleep(5*time.Minute - 1)
		if !s.Has(key(1)) {
			t.Error("its second life is shorter than the first")
		}
	})
}

// One key is added every second, for many lives: each is there exactly as long
// as it should be, and the memory stays that of about one life.
func TestSet_ForgetsUnderSteadyUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := once.NewSet(time.Minute, 1000)
		for n := range uint64(1000) {
			s.Add(key(n))
			for _, back := range []uint64{1, 59, 60, 61, 300} {
				if back > n {
					continue
				}
				if got, want := s.Has(key(n-back)), back < 60; got != want {
					t.Fatalf("after %d s: the key of %d s ago is there: %v", n, back, got)
				}
			}
			if s.Len() > 61 {
				t.Fatalf("after %d s: %d keys in memory", n, s.Len())
			}
			time.Sleep(time.Second)
		}
	})
}

func TestSet_GivesTheMemoryBackAfterAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := once.NewSet(time.Minute, 100_000)
		for n := range uint64(50_000) {
			s.Add(key(n))
		}
		time.Sleep(time.Minute)
		s.Add(key(1 << 40))
		if s.Len() != 1 {
			t.Errorf("%d keys in memory, want the new one", s.Len())
		}
	})
}

// After a flood each new key takes more old ones away than it adds, while the
// expired ones still in memory do not count as there.
func TestSet_ShrinksALittleAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := once.NewSet(time.Minute, 1000)
		for n := range uint64(100) {
			s.Add(key(n))
		}
		time.Sleep(time.Second)
		s.Add(key(100))
		time.Sleep(59 * time.Second) // the hundred have expired, the last has not
		for n := range uint64(100) {
			if s.Has(key(n)) {
				t.Fatalf("expired key %d is there", n)
			}
		}
		if !s.Add(key(99)) { // expired, and still in memory
			t.Error("an expired key cannot be added again")
		}
		for n := range uint64(40) {
			s.Add(key(200 + n))
		}
		if want := 1 + 1 + 40; s.Len() != want {
			t.Errorf("%d keys in memory, want %d", s.Len(), want)
		}
		if !s.Has(key(99)) || !s.Has(key(100)) {
			t.Error("sweeping took living keys")
		}
	})
}

func TestSet_DropsTheOldestBeyondItsBound(t *testing.T) {
	s := once.NewSet(time.Minute, 10)
	for n := range uint64(25) {
		if !s.Add(key(n)) {
			t.Fatalf("key %d is not new", n)
		}
	}
	for n := range uint64(25) {
		if got, want := s.Has(key(n)), n >= 15; got != want {
			t.Errorf("key %d is there: %v, want %v", n, got, want)
		}
	}
	if s.Len() != 10 {
		t.Errorf("%d keys, want 10", s.Len())
	}
}

func TestSet_HasRoomForOneAtLeast(t *testing.T) {
	s := once.NewSet(time.Minute, 0)
	s.Add(key(1))
	s.Add(key(2))
	if s.Has(key(1)) || !s.Has(key(2)) || s.Len() != 1 {
		t.Errorf("holds the first %v, the second %v of %d", s.Has(key(1)), s.Has(key(2)), s.Len())
	}
}

func TestSet_RemoveMakesAKeyNewAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := once.NewSet(time.Minute, 10)
		s.Add(key(1))
		time.Sleep(30 * time.Second)
		s.Remove(key(1))
		s.Remove(key(2)) // never added
		if s.Has(key(1)) || !s.Add(key(1)) {
			t.Error("still there after Remove")
		}
		time.Sleep(59 * time.Second) // its first age has expired meanwhile
		s.Add(key(3))
		if !s.Has(key(1)) {
			t.Error("the second life ended with the first")
		}
	})
}

func TestSet_AddsAKeyOnceHoweverManyTry(t *testing.T) {
	s := once.NewSet(time.Minute, 1000)
	var firsts atomic.Int64
	atOnce(200, func(int) {
		for n := range uint64(50) {
			if s.Add(key(n)) {
				firsts.Add(1)
			}
			s.Has(key(n))
			s.Len()
		}
	})
	if firsts.Load() != 50 {
		t.Errorf("%d times new, want 50", firsts.Load())
	}
}

// BenchmarkSet_Add adds from all processors: keys that are there, keys into a
// small set, and keys into a set of 300,000 (1,000 a second for 5 minutes) that
// is full, so that each Add also takes one away.
func BenchmarkSet_Add(b *testing.B) {
	for _, row := range []struct {
		name         string
		most, repeat uint64
	}{
		{"repeated", 300_000, 1000},
		{"full=1000", 1000, 1 << 62},
		{"full=300000", 300_000, 1 << 62},
	} {
		b.Run(row.name, func(b *testing.B) {
			s := once.NewSet(5*time.Minute, int(row.most))
			var next atomic.Uint64
			for next.Load() < row.most {
				s.Add(key(next.Add(1) % row.repeat))
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					s.Add(key(next.Add(1) % row.repeat))
				}
			})
		})
	}
}

func BenchmarkSet_Has(b *testing.B) {
	s := once.NewSet(5*time.Minute, 300_000)
	for n := range uint64(300_000) {
		s.Add(key(n))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for n := uint64(0); pb.Next(); n++ {
			s.Has(key(n % 600_000))
		}
	})
}

// BenchmarkSet_Memory reports the bytes a key takes if 1,000 a second come.
func BenchmarkSet_Memory(b *testing.B) {
	const keys = 300_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := once.NewSet(5*time.Minute, keys)
		for n := range uint64(2 * keys) {
			s.Add(key(n))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(s.Len()), "B/key")
	}
}
