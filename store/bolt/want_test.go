package bolt_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/store"
	"captchagate/store/bolt"
	"captchagate/store/storetest"
)

func TestBolt_KeepsTheContractOfAllStores(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Open:   func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "gateway.db")) },
		Inside: synctest.Test,
		Wait:   time.Sleep,
	})
}

func open(t testing.TB, path string) *bolt.Store {
	t.Helper()
	b, err := bolt.Open(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantValue(t *testing.T, s store.Values, bucket, key, want string) {
	t.Helper()
	if got, ok, err := s.Get(t.Context(), bucket, key); !ok || err != nil || string(got) != want {
		t.Errorf("%s/%s is %q (found %v, error %v), want %q", bucket, key, got, ok, err, want)
	}
}

func wantNothing(t *testing.T, s store.Values, bucket, key string) {
	t.Helper()
	if got, ok, err := s.Get(t.Context(), bucket, key); ok || err != nil {
		t.Errorf("%s/%s is %q (error %v), want nothing", bucket, key, got, err)
	}
}

// entries writes a log's entries in one line.
func entries(t *testing.T, s store.Logs, log string, since time.Time, limit int) string {
	t.Helper()
	found, err := s.Entries(t.Context(), log, since, limit)
	must(t, err)
	var out []string
	for _, value := range found {
		out = append(out, string(value))
	}
	return strings.Join(out, " ")
}

func wantOnce(t *testing.T, s store.Sets, want bool) {
	t.Helper()
	if first, err := s.Once(t.Context(), "spent", "a", time.Minute); first != want || err != nil {
		t.Errorf("once: %v (error %v), want %v", first, err, want)
	}
}
