package bolt_test

import (
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The work of an answer in an outage: spend something, from 64 goroutines.
func BenchmarkOnce_64Goroutines(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "gateway.db"))
	var n atomic.Int64
	b.SetParallelism(64) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if first, err := s.Once(b.Context(), "spent", strconv.FormatInt(n.Add(1), 10), time.Minute); !first || err != nil {
				b.Errorf("first %v, error %v", first, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// What one of them waits at 500 a second, open loop, in a store that already
// holds 100,000.
func BenchmarkOnce_At500PerSecond(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "gateway.db"))
	for i := range 100_000 {
		s.Preload("spent", strconv.Itoa(-i), time.Minute)
	}
	_ = s.Records("spent")
	var mu sync.Mutex
	var waits []time.Duration
	var wg sync.WaitGroup
	i := 0
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for b.Loop() {
		<-tick.C
		i++
		key := strconv.Itoa(i)
		wg.Go(func() {
			began := time.Now()
			first, err := s.Once(b.Context(), "spent", key, time.Minute)
			took := time.Since(began)
			if !first || err != nil {
				b.Errorf("first %v, error %v", first, err)
			}
			mu.Lock()
			waits = append(waits, took)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-µs")
}

func BenchmarkOnce_SpentBefore(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "gateway.db"))
	if _, err := s.Once(b.Context(), "spent", "a", 0); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if first, err := s.Once(b.Context(), "spent", "a", 0); first || err != nil {
			b.Fatalf("first %v, error %v", first, err)
		}
	}
}
