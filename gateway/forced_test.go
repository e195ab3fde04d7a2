package gateway_test

import (
	"strings"
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

// The beginning of a forced spell is a warning that says who and why; its end is none of an
// outage, and says what users got in it.
func TestForced_IsToldInTheLog(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"maintenance"}`)
		h.throws(`{"mode":"auto","reason":"over"}`)
		h.awaits("closed", time.Minute)
		time.Sleep(2 * time.Second)
		log := h.log.String()
		for _, want := range []string{`level=WARN msg=switched summary="forced degraded until changed: maintenance"`, `msg="degraded mode is forced no longer"`, "let_through=0", "spared=0"} {
			if !strings.Contains(log, want) {
				t.Errorf("%s is missing in\n%s", want, log)
			}
		}
		if strings.Contains(log, "an outage is over") {
			t.Errorf("an operator's doing is told as an outage:\n%s", log)
		}
	})
}
