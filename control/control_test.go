package control_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/control"
	"captchagate/store/bolt"
)

var (
	quiet  = slog.New(slog.DiscardHandler)
	scenes = []string{"login", "comment", "payment"}
	alice  = captcha.Ticket{Subject: "alice"}
)

// A house is a control over a store in a file, as one process has it.
type house struct {
	*control.Control
	store  *bolt.Store
	mu     sync.Mutex
	lifted []time.Duration
	stop   context.CancelFunc
	ended  chan struct{}
}

func start(t *testing.T, path string, scenes ...string) *house {
	t.Helper()
	s, err := bolt.Open(path, quiet)
	must(t, err)
	h := &house{store: s, ended: make(chan struct{})}
	h.Control, err = control.New(t.Context(), s, scenes, h.lift, quiet)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	h.stop = cancel
	go func() {
		defer close(h.ended)
		h.Run(ctx)
	}()
	t.Cleanup(h.end)
	return h
}

func (h *house) lift(forcedFor time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lifted = append(h.lifted, forcedFor)
}

func (h *house) end() {
	h.stop()
	<-h.ended
	_ = h.store.Close()
}

func story(t *testing.T, tell func(t *testing.T, path string)) {
	synctest.Test(t, func(t *testing.T) { tell(t, filepath.Join(t.TempDir(), "gateway.db")) })
}

func TestControl_ForcesNothingAtFirst(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		if mode := h.Forced("login", alice); mode != control.Auto {
			t.Errorf("forced is %v", mode)
		}
		if o := h.Override(); o != nil {
			t.Errorf("the override is %+v", o)
		}
		if drills := h.Drills(); drills == nil || len(drills) != 0 {
			t.Errorf("the drills are %#v, want none and not nil", drills)
		}
	})
}

func TestControl_ForcesAModeUntilItLapses(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "API down", For: 30 * time.Minute, Actor: "ops"}))
		o := h.Override()
		if o == nil || o.Mode != control.Degraded || o.Reason != "API down" || o.Actor != "ops" || !o.Until.Equal(o.Since.Add(30*time.Minute)) {
			t.Fatalf("the override is %+v", o)
		}
		time.Sleep(30*time.Minute - 1)
		if mode := h.Forced("login", alice); mode != control.Degraded {
			t.Errorf("just before its end forced is %v", mode)
		}
		time.Sleep(1)
		if mode := h.Forced("login", alice); mode != control.Auto {
			t.Errorf("at its end forced is %v", mode)
		}
		synctest.Wait()
		wantAudit(t, h, "switch gateway forced degraded lapsed", "switch ops forced degraded until 2000-01-01T00:30:00Z: API down")
		wantLifted(t, h, 30*time.Minute)
	})
}

func TestControl_AnEndIsKeptWithoutRun(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		must(t, h.Set(t.Context(), control.Change{Mode: control.Normal, Reason: "attack", For: time.Minute}))
		share := 1.0
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "login", Share: &share, Reason: "drill", For: time.Minute}))
		h.stop()
		<-h.ended
		time.Sleep(time.Minute)
		if mode := h.Forced("login", alice); mode != control.Auto {
			t.Errorf("forced is %v", mode)
		}
		if h.Override() != nil || len(h.Drills()) != 0 {
			t.Errorf("override %+v, drills %+v", h.Override(), h.Drills())
		}
	})
}

func TestControl_SaysHowLongItWasDegradedWhenThatIsLifted(t *testing.T) {
	step := func(mode control.Mode) control.Change { return control.Change{Mode: mode, Reason: "step"} }
	for _, row := range []struct {
		name  string
		steps []control.Change // a second apart
		want  []time.Duration
	}{
		{"degraded, auto", []control.Change{step(control.Degraded), step(control.Auto)}, []time.Duration{time.Second}},
		{"degraded twice, auto", []control.Change{step(control.Degraded), step(control.Degraded), step(control.Auto)}, []time.Duration{2 * time.Second}},
		{"normal, auto", []control.Change{step(control.Normal), step(control.Auto)}, nil},
		{"auto", []control.Change{step(control.Auto)}, nil},
		{"degraded, normal, auto", []control.Change{step(control.Degraded), step(control.Normal), step(control.Auto)}, nil},
		{"a drill, auto", []control.Change{
			{Mode: control.Degraded, Scene: "login", Reason: "drill"},
			{Mode: control.Auto, Scene: "login", Reason: "over"},
		}, nil},
		{"degraded, a drill ends", []control.Change{
			step(control.Degraded), {Mode: control.Auto, Scene: "login", Reason: "over"},
		}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, func(t *testing.T, path string) {
				h := start(t, path, scenes...)
				for _, change := range row.steps {
					must(t, h.Set(t.Context(), change))
					time.Sleep(time.Second)
				}
				wantLifted(t, h, row.want...)
			})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantAudit(t *testing.T, h *house, want ...string) {
	t.Helper()
	entries, err := h.AuditEntries(t.Context(), time.Time{}, 1000)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprint(string(e.Kind), " ", e.Actor, " ", e.Summary))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the audit says\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func wantLifted(t *testing.T, h *house, want ...time.Duration) {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if fmt.Sprint(h.lifted) != fmt.Sprint(want) {
		t.Errorf("lifted after %v, want %v", h.lifted, want)
	}
}
