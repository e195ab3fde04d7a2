package gateway_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/control"
	"captchagate/simulator"
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

// Whoever looks at the very moment in which a forced degraded mode is lifted, or lapses, sees
// that users return: never that all is normal and the circuit closed, in no status and on no
// stream.
func TestForced_ALiftedSwitchNeverLooksNormalBeforeUsersReturn(t *testing.T) {
	cfg := testConfig(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, sim: simulator.New(accountOf(cfg))}
		var mu sync.Mutex
		var seen []string
		look := func() {
			s := h.status()
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprint(s.Mode, " ", s.Override != nil, " ", s.Breaker.State))
		}
		h.entered = func(e control.Entry) {
			if e.Kind == control.KindSwitch { // nobody has acted on it yet
				look()
			}
		}
		h.open(cfg, func(h *house) {
			stream := h.stream()
			for range 5 {
				h.throws(`{"mode":"degraded","reason":"test"}`)
				time.Sleep(3 * time.Second)
				h.throws(`{"mode":"auto","reason":"test"}`)
				h.awaits("closed", time.Minute)
				h.throws(`{"mode":"degraded","reason":"test","for":"3s"}`)
				time.Sleep(3 * time.Second)
				look() // in the moment in which it is over
				h.awaits("closed", time.Minute)
				time.Sleep(2 * time.Second)
			}
			mu.Lock()
			defer mu.Unlock()
			for i, got := range seen {
				if !strings.HasPrefix(got, "degraded") {
					t.Errorf("look %d sees %s", i, got)
				}
			}
			wasForced := false
			for _, told := range strings.Split(stream(), "event: status\n")[1:] {
				if wasForced && strings.Contains(told, `"mode":"normal"`) {
					t.Errorf("after a forced mode the stream tells %s", told)
				}
				wasForced = strings.Contains(told, `"override":{`)
			}
		})
	})
}

// stream opens the event stream; what is returned ends it and is what came.
func (h *house) stream() (text func() string) {
	ctx, leave := context.WithCancel(h.t.Context())
	r, w, ended := httptest.NewRequestWithContext(ctx, "GET", "/admin/v1/events", nil), httptest.NewRecorder(), make(chan struct{})
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "127.0.0.1:8081"
	go func() {
		defer close(ended)
		h.g.AdminHandler().ServeHTTP(w, r)
	}()
	return func() string {
		leave()
		<-ended
		return w.Body.String()
	}
}
