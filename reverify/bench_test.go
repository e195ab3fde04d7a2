package reverify_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/reverify"
)

// benchWorld holds n entries that wait, in a real store. Where they age one
// grows too old to be asked about every 2 ms.
func benchWorld(b *testing.B, n int, age bool) *world {
	w := &world{t: b, kept: open(b), api: newAPI(), hook: &hook{}, share: &share{}, cfg: webhook}
	w.start()
	b.Cleanup(w.stop)
	first := time.Now().Add(5*time.Second - captcha.TicketLife)
	var wg sync.WaitGroup
	for part := range 64 {
		wg.Go(func() {
			for i := part; i < n; i += 64 {
				e := inOrder("0", i)
				if age {
					e.DecidedAt = first.Add(time.Duration(i) * 2 * time.Millisecond)
				}
				for w.q.Add(b.Context(), e) != nil { // the disk is busy
				}
			}
		})
	}
	wg.Wait()
	return w
}

// inOrder is an entry whose id follows that of the one before, as ids by time
// do.
func inOrder(series string, i int) reverify.Entry {
	return entry(fmt.Sprintf("%s-%09d", series, i))
}

// All that an outage can bring.
func BenchmarkAdd_64Goroutines(b *testing.B) {
	w := benchWorld(b, 0, false)
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := w.q.Add(b.Context(), inOrder("1", int(n.Add(1)))); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "adds/s")
}

// What a user waits at 500 a second, open loop, while 100,000 wait already; and
// while others are asked about, 500 a second are given up, and all is reported.
func BenchmarkAdd_At500PerSecond(b *testing.B) {
	for _, asking := range []bool{false, true} {
		b.Run(fmt.Sprintf("asking=%v", asking), func(b *testing.B) {
			w := benchWorld(b, 100_000, asking)
			if asking {
				w.share.is(1)
			}
			var mu sync.Mutex
			var waits []time.Duration
			var wg sync.WaitGroup
			i := 0
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for b.Loop() {
				<-tick.C
				i++
				e := inOrder("1", i)
				wg.Go(func() {
					began := time.Now()
					err := w.q.Add(b.Context(), e)
					took := time.Since(began)
					if err != nil {
						b.Error(err)
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
		})
	}
}

// What every degraded passing asks, once somebody was refuted.
func BenchmarkRefuted(b *testing.B) {
	w := benchWorld(b, 0, false)
	w.api.codes["ticket-bad"] = 15
	if err := w.q.Add(b.Context(), entry("bad")); err != nil {
		b.Fatal(err)
	}
	e := entry("bad")
	w.share.is(1)
	for !w.q.Refuted(e.Ticket.UserIP, e.Ticket.Subject) {
	}
	b.ReportAllocs()
	for b.Loop() {
		if !w.q.Refuted(e.Ticket.UserIP, e.Ticket.Subject) {
			b.Fatal("not refuted")
		}
	}
}
