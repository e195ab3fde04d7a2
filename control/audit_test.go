package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/control"
	"captchagate/store/bolt"
)

func TestAudit_TellsWhatHappenedNewestFirst(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		began := time.Now()
		h.Audit(control.KindTransition, "gateway", "closed to open", map[string]int{"failures": 10})
		time.Sleep(time.Second)
		h.Audit(control.KindReload, "ops", "configuration loaded again", make(chan int)) // no JSON
		synctest.Wait()
		wantAudit(t, h, "reload ops configuration loaded again", "transition gateway closed to open")

		entries, err := h.AuditEntries(t.Context(), time.Time{}, 10)
		must(t, err)
		if !entries[1].At.Equal(began) || !entries[0].At.Equal(began.Add(time.Second)) {
			t.Errorf("the times are %v and %v", entries[1].At, entries[0].At)
		}
		if string(entries[1].Detail) != `{"failures":10}` || string(entries[0].Detail) != "null" {
			t.Errorf("the details are %s and %s", entries[1].Detail, entries[0].Detail)
		}
		if newer, err := h.AuditEntries(t.Context(), began, 10); err != nil || len(newer) != 1 {
			t.Errorf("%d entries since the first (error %v), want 1", len(newer), err)
		}
		if none, err := h.AuditEntries(t.Context(), time.Now(), 10); err != nil || none == nil || len(none) != 0 {
			t.Errorf("since now: %#v (error %v), want none and not nil", none, err)
		}
	})
}

// Entries of one instant get times of their own, so that a reader who goes on
// from the time of the last one misses none and meets none twice.
func TestAudit_KeepsTimesApart(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		for range 3 {
			h.Audit(control.KindTransition, "gateway", "closed to open", nil)
		}
		synctest.Wait()
		entries, err := h.AuditEntries(t.Context(), time.Time{}, 10)
		must(t, err)
		for n, e := range entries {
			newer, err := h.AuditEntries(t.Context(), e.At, 10)
			must(t, err)
			if len(newer) != n {
				t.Errorf("%d entries are newer than the one at %v, want %d", len(newer), e.At, n)
			}
		}
		if len(entries) != 3 {
			t.Errorf("%d entries, want 3", len(entries))
		}
	})
}

func TestAudit_TellsASwitchInFull(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		share := 0.05
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "login", Share: &share, For: 10 * time.Minute, Reason: "drill", Actor: "ops"}))
		entries, err := h.AuditEntries(t.Context(), time.Time{}, 10)
		must(t, err)
		if len(entries) != 1 {
			t.Fatalf("%d entries", len(entries))
		}
		got, err := json.Marshal(entries[0])
		must(t, err)
		want := `{"at":"2000-01-01T00:00:00Z","kind":"switch","actor":"ops",` +
			`"summary":"drill on login for 5 % of its users until 2000-01-01T00:10:00Z: drill",` +
			`"detail":{"mode":"degraded","reason":"drill","until":"2000-01-01T00:10:00Z","scene":"login","share":0.05}}`
		if string(got) != want {
			t.Errorf("the entry is\n%s\nwant\n%s", got, want)
		}
		h.end()
		if text := h.log.text.String(); !strings.Contains(text, "msg=switched") || !strings.Contains(text, "actor=ops") {
			t.Errorf("the log does not say who switched: %s", text)
		}
	})
}

// However often the circuit moves, what operators did stays to be read.
func TestAudit_EventsDoNotPushOutWhatOperatorsDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shortStore{logs: map[string][]logged{}}
		c, err := control.New(t.Context(), s, scenes, quiet)
		must(t, err)
		go c.Run(t.Context())
		must(t, c.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "maintenance", Actor: "ops"}))
		c.Audit(control.KindReload, "ops", "configuration loaded again", nil)
		for i := range 50 {
			time.Sleep(time.Minute)
			c.Audit([]control.EntryKind{control.KindTransition, control.KindIncident}[i%2], "gateway", "again", nil)
		}
		synctest.Wait()
		entries, err := c.AuditEntries(t.Context(), time.Time{}, 1000)
		must(t, err)
		if n := len(entries); n != shortLog+2 || entries[n-1].Kind != control.KindSwitch || entries[n-2].Kind != control.KindReload {
			t.Errorf("%d entries are left: %+v", n, entries)
		}
	})
}

// Entries of both logs that come at once have times of their own, so that who
// reads on from the last one seen misses none.
func TestAudit_EachEntryHasATimeOfItsOwn(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		kinds := []control.EntryKind{control.KindTransition, control.KindReload, control.KindIncident}
		for i := range 30 {
			h.Audit(kinds[i%3], "gateway", "at once", nil)
		}
		synctest.Wait()
		entries, err := h.AuditEntries(t.Context(), time.Time{}, 20)
		must(t, err)
		if len(entries) != 20 {
			t.Fatalf("%d entries, want the newest 20", len(entries))
		}
		for i, e := range entries {
			if newer, err := h.AuditEntries(t.Context(), e.At, 30); err != nil || len(newer) != i {
				t.Errorf("%d entries are newer than entry %d (error %v)", len(newer), i, err)
			}
		}
	})
}

func TestAudit_NeverBlocksAndWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &flakyStore{}
		s.away.Store(true)
		var log lines
		c, err := control.New(t.Context(), s, scenes, logTo(&log))
		must(t, err)
		go c.Run(t.Context())
		c.Audit(control.KindTransition, "gateway", "closed to open", nil)
		synctest.Wait() // Run has that one in hand
		for range 1024 + 3000 {
			c.Audit(control.KindTransition, "gateway", "closed to open", nil)
		}
		time.Sleep(9500 * time.Millisecond)
		if n := s.taken.Load(); n != 0 {
			t.Fatalf("%d entries were taken by a store that is away", n)
		}
		s.away.Store(false)
		time.Sleep(2 * time.Second)
		if n := s.taken.Load(); n != 1+1024 {
			t.Errorf("%d entries were taken, want what the queue holds", n)
		}
		log.mu.Lock()
		defer log.mu.Unlock()
		text := log.text.String()
		for _, lost := range []string{"lost=1\n", "lost=1000\n", "lost=2000\n", "lost=3000\n"} {
			if !strings.Contains(text, lost) {
				t.Errorf("the log does not say %q", lost)
			}
		}
		if n, tries := strings.Count(text, "level=ERROR"), strings.Count(text, "trying again"); n != 4 || tries != 10 {
			t.Errorf("the log has %d lines for 3000 lost entries and %d of trying for 9.5 s, want 4 and 10", n, tries)
		}
	})
}

func TestAudit_WritesWhatWaitsWhenTheProcessEnds(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		for range 50 {
			h.Audit(control.KindTransition, "gateway", "closed to open", nil)
		}
		h.end()
		s, err := bolt.Open(path, quiet)
		must(t, err)
		defer s.Close()
		entries, err := s.Entries(t.Context(), "audit", time.Time{}, 100)
		must(t, err)
		n := 0
		for range entries {
			n++
		}
		if n != 50 {
			t.Errorf("%d of 50 entries were kept", n)
		}
	})
}

func TestMode_ReadsWhatItWrites(t *testing.T) {
	for _, mode := range []control.Mode{control.Auto, control.Degraded, control.Normal} {
		text, err := mode.MarshalText()
		must(t, err)
		got := control.Mode(-1)
		must(t, got.UnmarshalText(text))
		if got != mode {
			t.Errorf("%s reads as %v", text, got)
		}
	}
	for _, text := range []string{"", "Auto", "on", strings.Repeat("x", 1000)} {
		var mode control.Mode
		if err := mode.UnmarshalText([]byte(text)); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.20q: the error is %v", text, err)
		}
	}
}

// flakyStore takes entries while it is not away and keeps nothing.
type flakyStore struct {
	away  atomic.Bool
	taken atomic.Int32
}

func (s *flakyStore) Get(context.Context, string, string) ([]byte, bool, error) {
	return nil, false, nil
}

func (s *flakyStore) Put(context.Context, string, string, []byte, time.Duration) error { return nil }

func (s *flakyStore) PutWithEntry(ctx context.Context, _, _ string, _ []byte, log string, at time.Time, entry []byte) error {
	return s.Append(ctx, log, at, entry)
}

func (s *flakyStore) Append(context.Context, string, time.Time, []byte) error {
	if s.away.Load() {
		return errors.New("away")
	}
	s.taken.Add(1)
	return nil
}

func (s *flakyStore) Entries(context.Context, string, time.Time, int) (iter.Seq2[time.Time, []byte], error) {
	return func(func(time.Time, []byte) bool) {}, nil
}

const shortLog = 5 // entries that a log of shortStore keeps

// A shortStore keeps few entries of each log.
type shortStore struct {
	flakyStore

	mu   sync.Mutex
	logs map[string][]logged // oldest first
}

type logged struct {
	at   time.Time
	text []byte
}

func (s *shortStore) PutWithEntry(ctx context.Context, _, _ string, _ []byte, log string, at time.Time, entry []byte) error {
	return s.Append(ctx, log, at, entry)
}

func (s *shortStore) Append(_ context.Context, log string, at time.Time, entry []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := append(s.logs[log], logged{at, entry})
	s.logs[log] = kept[max(0, len(kept)-shortLog):]
	return nil
}

func (s *shortStore) Entries(_ context.Context, log string, _ time.Time, _ int) (iter.Seq2[time.Time, []byte], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := slices.Clone(s.logs[log])
	return func(yield func(time.Time, []byte) bool) {
		for _, e := range slices.Backward(kept) {
			if !yield(e.at, e.text) {
				return
			}
		}
	}, nil
}
