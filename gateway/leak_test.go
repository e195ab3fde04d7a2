package gateway_test

import (
	"runtime"
	"testing"
	"time"

	"captchagate/simulator"
)

// S7: a hundred outages leave nothing behind.
func TestGateway_LeaksNothing(t *testing.T) {
	long(t)
	inHouse(t, nil, func(h *house) {
		cycle := func(k simulator.Kind) {
			h.breaks(simulator.Fault{Kind: k})
			h.crowd("login", 40, time.Second)
			h.mode("degraded", "open")
			h.sim.ClearFault()
			time.Sleep(4 * time.Second)
			h.mode("normal", "closed")
		}
		cycle(simulator.Hang)
		before := runtime.NumGoroutine()
		kinds := []simulator.Kind{simulator.Hang, simulator.InternalError, simulator.Reset, simulator.HalfBody}
		for i := range 100 {
			cycle(kinds[i%len(kinds)])
		}
		if after := runtime.NumGoroutine(); after > before+5 {
			t.Errorf("%d goroutines after a hundred outages, %d before", after, before)
		}
	})
}
