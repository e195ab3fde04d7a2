package policy_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/policy"
)

func subject(i int) string { return fmt.Sprint("subject ", i) }

// heap is how many bytes are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools go the second time
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A flood is many distinct addresses that ask a limiter; advance moves time
// after each thousand.
type flood struct {
	cfg     policy.Budget
	most    int
	advance time.Duration
	entries int // at most, at any moment
	enough  int // addresses that show it
}

var floods = map[string]flood{
	"the total refuses":  {policy.Budget{PerIP: per(10, time.Minute), Total: per(200, time.Second)}, 1 << 20, time.Second / 10, 1_700, 1_000_000},
	"the table is full":  {policy.Budget{PerIP: per(1, time.Hour)}, 1 << 16, 0, 1 << 16, 300_000},
	"buckets fill again": {policy.Budget{PerIP: per(60, time.Minute)}, 1 << 20, time.Second / 4, 6_500, 200_000},
}

// runs n addresses against a new limiter and returns how many bytes it grew by
// at most, and its most entries.
func (f flood) runs(n int) (bytes int64, entries int) {
	before := heap()
	p := policy.NewBoundedLimiter(f.cfg, f.most)
	for i := range n {
		p.Take(policy.LastingCircuit, scattered(i), "")
		if i%1000 == 0 {
			time.Sleep(f.advance)
			entries = max(entries, p.Entries())
		}
		if i%(n/10) == n/20 {
			bytes = max(bytes, heap()-before)
		}
	}
	runtime.KeepAlive(p)
	return bytes, entries
}

// scattered are distinct addresses, each in a network of its own as far as
// there are any.
func scattered(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), byte(i >> 24)})
}

func TestLimiter_StaysSmallUnderAFlood(t *testing.T) {
	for name, f := range floods {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bytes, entries := f.runs(f.enough)
				if entries > f.entries {
					t.Errorf("%d entries, want at most %d", entries, f.entries)
				}
				if most := int64(f.entries)*160 + 1<<20; bytes > most {
					t.Errorf("%d bytes, want at most %d", bytes, most)
				}
				t.Logf("%d entries and %d KiB at most", entries, bytes>>10)
			})
		})
	}
}

// If all entries are in use whoever needs another is refused, those who are
// there are not, and entries come free as their buckets fill.
func TestLimiter_RefusesWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewBoundedLimiter(policy.Budget{PerIP: per(2, time.Minute)}, 100)
		newcomers := func(from int) int {
			return admitted(p, 100, func(i int) (netip.Addr, string) { return visitor(from + i), "" })
		}
		if got := newcomers(0); got != 50 {
			t.Errorf("%d got through, want 50 with an address and a network each", got)
		}
		if !p.Take(policy.LastingCircuit, visitor(49), "") {
			t.Error("one who is remembered was refused")
		}
		if p.Take(policy.LastingCircuit, visitor(50), "") {
			t.Error("one who cannot be remembered was let in")
		}
		time.Sleep(30*time.Second - 1) // the networks' buckets are full, the addresses' not
		if got := newcomers(1000); got != 25 {
			t.Errorf("%d got through, want the 25 that there is room for", got)
		}
		time.Sleep(2 * time.Minute)
		if got := newcomers(2000); got != 50 {
			t.Errorf("%d got through once all buckets are full, want 50", got)
		}
	})
}

// After a flood the memory is given back by and by.
func TestLimiter_GivesMemoryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewLimiter(policy.Budget{PerIP: per(60, time.Minute)}, nil)
		before := heap()
		admitted(p, 60_000, func(i int) (netip.Addr, string) { return visitor(i), "" })
		grown := heap() - before
		time.Sleep(time.Minute)
		admitted(p, 10_000, func(int) (netip.Addr, string) { return visitor(1), "" })
		if n := p.Entries(); n > 2 {
			t.Errorf("%d entries after the flood, want the last visitor's", n)
		}
		if left := heap() - before; left > grown/10 {
			t.Errorf("%d of %d bytes left after the flood", left, grown)
		}
		runtime.KeepAlive(p)
	})
}

// BenchmarkLimiter_TenMillionAddresses shows that the memory stays bounded: each
// operation is a flood of ten million distinct addresses.
func BenchmarkLimiter_TenMillionAddresses(b *testing.B) {
	for name, f := range floods {
		f.advance = 0 // real time here
		b.Run(name, func(b *testing.B) {
			const addresses = 10_000_000
			var bytes int64
			var entries int
			for b.Loop() {
				bytes, entries = f.runs(addresses)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/addresses, "ns/address")
			b.ReportMetric(float64(bytes)/(1<<20), "heap-MiB")
			b.ReportMetric(float64(entries), "entries")
		})
	}
}
