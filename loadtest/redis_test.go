package loadtest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"captchagate/loadtest"
)

// Each fault does what it says to a real Redis, and is taken back.
func TestRedis_BreaksAsItIsTold(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not on PATH")
		}
		t.Skip("redis-server is not on PATH")
	}
	r, err := loadtest.OpenRedis(t.Context(), t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	answers := func(command, want string) {
		t.Helper()
		do(command, r.Tell(t.Context(), command, want))
	}
	silent := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if r.Tell(ctx, "PING", "+PONG") == nil {
			t.Error("it answers")
		}
	}
	answers("SET a 1", "+OK")
	do("stop", r.Fault(t.Context(), "stop"))
	silent()
	do("go on", r.End(t.Context(), "stop"))
	answers("EXISTS a", ":1")
	do("slow", r.Fault(t.Context(), "slow"))
	began := time.Now()
	answers("PING", "+PONG")
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("a slow one answered after %v", took)
	}
	do("quick", r.End(t.Context(), "slow"))
	do("flush", r.Fault(t.Context(), "flush"))
	answers("EXISTS a", ":0")
	for _, kind := range []string{"kill", "restart"} {
		answers("SET a 1", "+OK")
		do(kind, r.Fault(t.Context(), kind))
		if kind == "kill" {
			silent()
			do("start", r.End(t.Context(), kind))
		}
		answers("EXISTS a", ":0") // nothing outlives the process
	}
}

// Who has no redis-server reads what is missing and how to get it.
func TestOpen_SaysHowToGetARedis(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := loadtest.OpenRedis(t.Context(), t.TempDir(), false)
	if !errors.Is(err, loadtest.ErrScenario) || !strings.Contains(err.Error(), "redis-server on PATH") || !strings.Contains(err.Error(), "apt-get install redis-server") {
		t.Errorf("got %v", err)
	}
}
