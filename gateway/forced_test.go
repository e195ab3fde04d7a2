package gateway_test

import (
	"testing"
	"time"
)

// Whoever the switch kept away returns little by little, for as long as they
// were away and no longer than the ramp. Normal mode keeps nobody away.
func TestForced_UsersReturnAsSlowlyAsTheyWereAwayLong(t *testing.T) {
	const auto, normal, degraded = `{"mode":"auto","reason":"test"}`, `{"mode":"normal","reason":"test"}`, `{"mode":"degraded","reason":"test"}`
	for _, row := range []struct {
		name  string
		steps []string      // 400 ms apart; the last one at the end
		ramp  time.Duration // until all are sent on
	}{
		{"degraded", []string{degraded, auto}, 400 * time.Millisecond},
		{"degraded twice", []string{degraded, degraded, auto}, 800 * time.Millisecond},
		{"degraded that lapses", []string{`{"mode":"degraded","reason":"test","for":"300ms"}`, auto}, 200 * time.Millisecond},
		{"degraded, then normal", []string{degraded, normal}, 0},
		{"degraded, normal, auto", []string{degraded, normal, auto}, 0},
		{"normal", []string{normal, auto}, 0},
		{"a drill", []string{
			`{"mode":"degraded","scene":"login","reason":"test"}`, `{"mode":"auto","scene":"login","reason":"test"}`,
		}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			inHouse(t, nil, func(h *house) {
				for i, step := range row.steps {
					if i > 0 {
						time.Sleep(400 * time.Millisecond)
					}
					h.throws(step)
				}
				took := h.awaits("closed", time.Minute)
				if took < row.ramp || took > row.ramp+20*time.Millisecond {
					t.Errorf("they returned in %v, want %v", took, row.ramp)
				}
			})
		})
	}
}
