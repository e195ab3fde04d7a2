package once_test

import (
	"runtime"
	"testing"
	"time"

	"captchagate/once"
)

// BenchmarkSet_TenMillion is a flood of ten million distinct tickets within one
// life, on a set of the gateway's size. A7: its memory is bounded.
func BenchmarkSet_TenMillion(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := once.NewSet(5*time.Minute, 400_000)
		for n := range uint64(10_000_000) {
			s.Add(key(n))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		grown := float64(after.HeapAlloc-before.HeapAlloc) / (1 << 20)
		if !s.Forgetful() || grown > 64 {
			b.Errorf("%.0f MiB, forgetful %v", grown, s.Forgetful())
		}
		b.ReportMetric(grown, "MiB")
		runtime.KeepAlive(s)
	}
}
