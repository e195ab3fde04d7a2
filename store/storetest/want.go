package storetest

import (
	"strings"
	"testing"
	"time"

	"captchagate/store"
)

func must(t *testing.T, err error) {
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

func wantOnce(t *testing.T, s store.Sets, key string, want bool) {
	t.Helper()
	if first, err := s.Once(t.Context(), "spent", key, 2*time.Second); first != want || err != nil {
		t.Errorf("once %s: %v (error %v), want %v", key, first, err, want)
	}
}

// list writes a bucket as "key=value key=value".
func list(t *testing.T, s store.Sets, bucket string, limit int) string {
	t.Helper()
	found, err := s.List(t.Context(), bucket, limit)
	must(t, err)
	var out []string
	for key, value := range found {
		out = append(out, key+"="+string(value))
	}
	return strings.Join(out, " ")
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
