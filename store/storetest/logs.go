package storetest

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"captchagate/store"
)

func entriesComeNewestFirst(t *testing.T, s store.Store, _ func(time.Duration)) {
	start := time.Now()
	for _, i := range []int{2, 0, 3, 1} {
		must(t, s.Append(t.Context(), "audit", start.Add(time.Duration(i)*time.Second), []byte(strconv.Itoa(i))))
	}
	for name, row := range map[string]struct {
		since time.Time
		limit int
		want  string
	}{
		"all":        {time.Time{}, 10, "3 2 1 0"},
		"limit":      {time.Time{}, 2, "3 2"},
		"since":      {start.Add(time.Second), 10, "3 2"},
		"since last": {start.Add(3 * time.Second), 10, ""},
	} {
		if got := entries(t, s, "audit", row.since, row.limit); got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
	if got := entries(t, s, "unknown", time.Time{}, 10); got != "" {
		t.Errorf("an unknown log holds %q", got)
	}
}

func entriesOfOneTime(t *testing.T, s store.Store, _ func(time.Duration)) {
	now := time.Now()
	for _, text := range []string{"a", "b", "c"} {
		must(t, s.Append(t.Context(), "audit", now, []byte(text)))
	}
	if got := entries(t, s, "audit", time.Time{}, 10); got != "c b a" {
		t.Errorf("entries are %q, want c b a", got)
	}
	found, err := s.Entries(t.Context(), "audit", time.Time{}, 10)
	must(t, err)
	var times []time.Time
	for at := range found {
		times = append(times, at)
	}
	if got := entries(t, s, "audit", times[2], 10); got != "c b" {
		t.Errorf("reading on from the first entry's time gives %q, want c b", got)
	}
}

func valueWithEntry(t *testing.T, s store.Store, wait func(time.Duration)) {
	ctx := t.Context()
	must(t, s.PutWithEntry(ctx, "control", "switch", []byte("degraded"), "audit", time.Now(), []byte("set")))
	wait(time.Second)
	wantValue(t, s, "control", "switch", "degraded")
	if got := entries(t, s, "audit", time.Time{}, 10); got != "set" {
		t.Errorf("the log holds %q", got)
	}
	long := make([]byte, store.MaxValue+1)
	if err := s.PutWithEntry(ctx, "control", "switch", []byte("auto"), "audit", time.Now(), long); err == nil {
		t.Error("an entry that is too long was taken")
	}
	wantValue(t, s, "control", "switch", "degraded")
}

func tooLongIsRefused(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx := t.Context()
	long := strings.Repeat("k", store.MaxKey+1)
	for name, err := range map[string]error{
		"no key":         s.Put(ctx, "things", "", nil, 0),
		"no bucket":      s.Put(ctx, "", "a", nil, 0),
		"no log":         s.Append(ctx, "", time.Now(), nil),
		"a long key":     s.Put(ctx, "things", long, nil, 0),
		"a long bucket":  s.Put(ctx, long, "a", nil, 0),
		"a long value":   s.Put(ctx, "things", "a", make([]byte, store.MaxValue+1), 0),
		"delete no key":  s.Delete(ctx, "things", ""),
		"a long log":     s.Append(ctx, long, time.Now(), nil),
		"switch, no log": s.PutWithEntry(ctx, "things", "a", nil, "", time.Now(), nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	must(t, s.Put(ctx, "things", strings.Repeat("k", store.MaxKey), make([]byte, store.MaxValue), 0))
}

func endedContext(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, "things", "a", nil, 0); err == nil {
		t.Error("Put: no error")
	}
	if first, err := s.Once(ctx, "things", "a", 0); first || err == nil {
		t.Errorf("Once: first %v, error %v", first, err)
	}
	if _, err := s.Entries(ctx, "audit", time.Time{}, 1); err == nil {
		t.Error("Entries: no error")
	}
	wantNothing(t, s, "things", "a")
}

func copiesAreReturned(t *testing.T, s store.Store, _ func(time.Duration)) {
	value := []byte("abc")
	must(t, s.Put(t.Context(), "things", "a", value, 0))
	value[0] = 'x'
	got, _, err := s.Get(t.Context(), "things", "a")
	must(t, err)
	got[1] = 'x'
	wantValue(t, s, "things", "a", "abc")
}
