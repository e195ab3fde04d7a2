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
	store *bolt.Store
	stop  context.CancelFunc
	ended chan struct{}

	began time.Time
	mu    sync.Mutex
	told  int      // how often the follower was called
	seen  []string // by the follower, as far as it was news
	log   lines
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// wantLog checks that the log has these texts once each, and no other warnings
// or errors.
func wantLog(t *testing.T, l *lines, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.text.String()
	for _, text := range want {
		if n := strings.Count(got, text); n != 1 {
			t.Errorf("the log says %q %d times, want once:\n%s", text, n, got)
		}
	}
	if n := strings.Count(got, "level=WARN") + strings.Count(got, "level=ERROR"); n != len(want) {
		t.Errorf("%d warnings and errors, want %d:\n%s", n, len(want), got)
	}
}

func logTo(l *lines) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func start(t *testing.T, path string, scenes ...string) *house {
	t.Helper()
	s, err := bolt.Open(path, quiet)
	must(t, err)
	h := &house{store: s, ended: make(chan struct{}), began: time.Now()}
	h.Control, err = control.New(t.Context(), s, scenes, logTo(&h.log))
	must(t, err)
	h.Follow(h.changed)
	ctx, cancel := context.WithCancel(t.Context())
	h.stop = cancel
	go func() {
		defer close(h.ended)
		h.Run(ctx)
	}()
	t.Cleanup(h.end)
	return h
}

// changed notes what holds, and the second, if that is news.
func (h *house) changed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told++
	parts := []string{fmt.Sprint(h.Mode())}
	for _, drill := range h.Drills() {
		parts = append(parts, drill.Scene)
	}
	holds := strings.Join(parts, "+")
	if n := len(h.seen); n == 0 || !strings.HasPrefix(h.seen[n-1], holds+"@") {
		h.seen = append(h.seen, fmt.Sprintf("%s@%g", holds, time.Since(h.began).Seconds()))
	}
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
		wantSeen(t, h, "auto@0", "degraded@0", "auto@1800")
	})
}

// A mode that is forced once more, to last longer or for another reason, has
// been forced all along; another mode begins anew.
func TestControl_AModeGoesOnWhenItIsForcedAgain(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		began := time.Now()
		for n, step := range []struct {
			mode control.Mode
			want time.Duration // after the beginning: since when it is forced
		}{{control.Degraded, 0}, {control.Degraded, 0}, {control.Normal, 2 * time.Second}, {control.Normal, 2 * time.Second}, {control.Degraded, 4 * time.Second}} {
			must(t, h.Set(t.Context(), control.Change{Mode: step.mode, Reason: "step"}))
			if since := h.Override().Since.Sub(began); since != step.want {
				t.Errorf("step %d: forced since %v, want %v", n, since, step.want)
			}
			time.Sleep(time.Second)
		}
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

// An answer that is given after a change belongs to it, so followers know of it
// before Set returns.
func TestControl_FollowersKnowAChangeBeforeSetReturns(t *testing.T) {
	step := func(mode control.Mode) control.Change { return control.Change{Mode: mode, Reason: "step"} }
	drill := func(mode control.Mode) control.Change {
		return control.Change{Mode: mode, Scene: "login", Reason: "drill"}
	}
	for _, row := range []struct {
		name  string
		steps []control.Change // a second apart
		want  []string
	}{
		{"degraded, auto", []control.Change{step(control.Degraded), step(control.Auto)}, []string{"degraded@1", "auto@2"}},
		{"degraded twice, auto", []control.Change{step(control.Degraded), step(control.Degraded), step(control.Auto)}, []string{"degraded@1", "auto@3"}},
		{"normal, auto", []control.Change{step(control.Normal), step(control.Auto)}, []string{"normal@1", "auto@2"}},
		{"auto", []control.Change{step(control.Auto)}, nil},
		{"degraded, normal, auto", []control.Change{step(control.Degraded), step(control.Normal), step(control.Auto)}, []string{"degraded@1", "normal@2", "auto@3"}},
		{"a drill, auto", []control.Change{drill(control.Degraded), drill(control.Auto)}, []string{"auto+login@1", "auto@2"}},
		{"degraded, a drill ends", []control.Change{drill(control.Degraded), step(control.Degraded), drill(control.Auto)}, []string{"auto+login@1", "degraded+login@2", "degraded@3"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, func(t *testing.T, path string) {
				h := start(t, path, scenes...)
				h.stop() // without Run nobody else tells them
				<-h.ended
				for _, change := range row.steps {
					time.Sleep(time.Second)
					must(t, h.Set(t.Context(), change))
				}
				wantSeen(t, h, append([]string{"auto@0"}, row.want...)...)
			})
		})
	}
}

// An end is noticed when it is there and not with the next second, the nearest
// one first.
func TestControl_NoticesEachEndInItsInstant(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		synctest.Wait() // Run waits by now, for a second
		for _, change := range []control.Change{
			{For: 1500 * time.Millisecond}, {Scene: "login", For: 700 * time.Millisecond}, {Scene: "comment", For: 2100 * time.Millisecond}, {Scene: "payment"},
		} {
			change.Mode, change.Reason = control.Degraded, "test"
			must(t, h.Set(t.Context(), change))
		}
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		wantSeen(t, h, "auto@0", "degraded@0", "degraded+login@0", "degraded+comment+login@0", "degraded+comment+login+payment@0",
			"degraded+comment+payment@0.7", "auto+comment+payment@1.5", "auto+payment@2.1")
	})
}

// Followers act on what holds and not on what changed, so they are told every
// second also if nothing did.
func TestControl_FollowersAreToldEverySecond(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		synctest.Wait()
		before := h.calls()
		for n := 1; n <= 10; n++ {
			time.Sleep(time.Second)
			synctest.Wait()
			if got := h.calls() - before; got != n {
				t.Fatalf("told %d times in %d seconds", got, n)
			}
		}
	})
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

// wantSeen checks what the follower saw, and in which seconds.
func wantSeen(t *testing.T, h *house, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := strings.Join(h.seen, " "); got != strings.Join(want, " ") {
		t.Errorf("the follower saw %q, want %q", got, want)
	}
}

func (h *house) calls() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told
}
