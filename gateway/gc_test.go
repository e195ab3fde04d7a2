package gateway_test

import (
	"math"
	"runtime/debug"
	"testing"

	"captchagate/gateway"
)

// The environment sets both before main begins; debug sets what it sets. What
// GOGC=100 or GOMEMLIMIT=off say is what Go does anyway, and cannot stand.
func TestTuneGC_LeavesAloneWhatWasSet(t *testing.T) {
	const none = math.MaxInt64
	for name, c := range map[string]struct {
		percent, wantPercent int
		limit, wantLimit     int64
	}{
		"nothing set":        {100, 400, none, 2 << 30},
		"GOGC=50":            {50, 50, none, none},
		"GOGC=off":           {-1, -1, none, none},
		"GOMEMLIMIT=512MiB":  {100, 100, 512 << 20, 512 << 20},
		"both":               {200, 200, 512 << 20, 512 << 20},
		"what it would take": {400, 400, 2 << 30, 2 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			percent, limit := debug.SetGCPercent(c.percent), debug.SetMemoryLimit(c.limit)
			t.Cleanup(func() {
				debug.SetGCPercent(percent)
				debug.SetMemoryLimit(limit)
			})
			gateway.TuneGC()
			if got := debug.SetGCPercent(c.percent); got != c.wantPercent {
				t.Errorf("collects at a growth of %d %%, want %d", got, c.wantPercent)
			}
			if got := debug.SetMemoryLimit(-1); got != c.wantLimit {
				t.Errorf("a limit of %d bytes, want %d", got, c.wantLimit)
			}
		})
	}
}

// Twice is as once: the second time finds values that are not Go's.
func TestTuneGC_MayRunTwice(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	gateway.TuneGC()
	gateway.TuneGC()
	if got := debug.SetGCPercent(100); got != 400 {
		t.Errorf("collects at a growth of %d %%, want 400", got)
	}
}
