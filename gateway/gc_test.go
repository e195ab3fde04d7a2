package gateway_test

import (
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"captchagate/gateway"
)

// limited is what a process may have; 0 stands for no limit.
func limited(bytes uint64) func() (uint64, error) {
	if bytes == 0 {
		return func() (uint64, error) { return 0, errors.New("memory is not limited") }
	}
	return func() (uint64, error) { return bytes, nil }
}

// collectsAt returns the size of the heap, in bytes, at which the collector runs
// next, if it has just run.
func collectsAt() int64 {
	runtime.GC()
	runtime.GC() // what the first one found dead is gone now
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(goal)
	return int64(goal[0].Value.Uint64())
}

// The environment sets both before main begins; debug sets what it sets. What
// GOGC=100 or GOMEMLIMIT=off say is what Go does anyway, and cannot stand.
func TestTuneGC_LeavesAloneWhatWasSet(t *testing.T) {
	const none = math.MaxInt64
	for name, c := range map[string]struct {
		mayHave              uint64 // 0: no limit
		percent, wantPercent int
		limit, wantLimit     int64
	}{
		"nothing set":              {0, 100, 50, none, none},
		"in a container of 512 MB": {512 << 20, 100, 50, none, 384 << 20},
		"GOGC=70":                  {512 << 20, 70, 70, none, none},
		"GOGC=off":                 {512 << 20, -1, -1, none, none},
		"GOMEMLIMIT=1GiB":          {512 << 20, 100, 100, 1 << 30, 1 << 30},
		"both":                     {0, 200, 200, 1 << 30, 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			percent, limit := debug.SetGCPercent(c.percent), debug.SetMemoryLimit(c.limit)
			defer debug.SetMemoryLimit(limit)
			defer debug.SetGCPercent(percent)
			gateway.TuneGC(limited(c.mayHave))()
			if got := debug.SetGCPercent(c.percent); got != c.wantPercent {
				t.Errorf("collects at a growth of %d %%, want %d", got, c.wantPercent)
			}
			if got := debug.SetMemoryLimit(-1); got != c.wantLimit {
				t.Errorf("a limit of %d bytes, want %d", got, c.wantLimit)
			}
		})
	}
}

// S10: garbage takes 32 MB and half of what is alive, so that a flood that keeps
// much alive is not paid for several times over.
func TestTuneGC_BoundsGarbage(t *testing.T) {
	for name, c := range map[string]struct {
		mayHave   uint64
		untouched int64 // Go counts it, the system does not
	}{
		"no limit":                {0, 64 << 20},
		"in a container of 64 MB": {64 << 20, 8 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
			defer debug.SetGCPercent(debug.SetGCPercent(100))
			before := collectsAt()
			defer gateway.TuneGC(limited(c.mayHave))()
			const held = 10 << 20
			flood := make([]byte, held)
			later := collectsAt() - c.untouched - before
			runtime.KeepAlive(flood)
			most := held + (held+c.untouched)/2
			if later < c.untouched/2 || later > most+1<<20 {
				t.Errorf("with %d MB more alive it collects after %d MB more, want at most %d", held>>20, later>>20, most>>20)
			}
		})
	}
}
