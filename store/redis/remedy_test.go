package redis_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/fleet"
	"captchagate/store"
	"captchagate/store/redis"
	"captchagate/store/redis/redistest"
)

// Whatever is wrong between the gateway and its Redis, the line in the log says what to
// do.
func TestBoard_SaysWhatToDoAboutRedis(t *testing.T) {
	s := redistest.Start(t)
	at := s.Address()
	for _, command := range []string{"ACL SETUSER weak on >pw ~other:* +@all", "ACL SETUSER mute on >pw ~* -@all"} {
		if reply := s.Do(command); reply != "+OK\r\n" {
			t.Fatal(reply)
		}
	}
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	cases := map[string]string{
		"redis://nobody:wrong@" + at:                "compare user and password",
		"redis://weak:pw@" + at:                     "docs/fleet.md has an ACL",
		"redis://mute:pw@" + at:                     "docs/fleet.md has an ACL",
		"redis://" + at + "/99":                     "it has not so many databases",
		"rediss://" + at:                            "whether it speaks TLS there",
		"redis://" + closed.Addr().String():         "nobody listens there",
		"unix://" + filepath.Join(t.TempDir(), "s"): "there is no such socket",
	}
	for url, want := range cases {
		wantRemedy(t, url, want)
	}
	s.Do("CONFIG SET requirepass secret")
	wantRemedy(t, "redis://"+at, "it asks for a password; write it into store.redis")
	wantRemedy(t, "redis://:other@"+at, "compare user and password")
}

func wantRemedy(t *testing.T, url, want string) {
	t.Helper()
	address, err := store.Redis{url}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	b := redis.New(address, "test:", "tag", patience, quiet, prometheus.NewRegistry())
	defer func() { _ = b.Close() }()
	for deadline := time.Now().Add(20 * time.Second); ; { // a busy machine is late first
		_, err = b.Beat(t.Context(), fleet.Report{ID: "a", Rules: short})
		if err != nil && strings.Contains(err.Error(), want) {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%s: it says %v, want %q", url, err, want)
			return
		}
	}
}
