package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestServe_VerifiesTicketsAndAnswersWithoutTheAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := h.ticket("valid")
	for _, row := range []struct {
		name   string
		ticket ticket
		scene  string
		want   decision
	}{
		{"a good ticket", good, "login", decision{"allow", "verified", "full", "normal", "", 1}},
		{"the same again", good, "login", decision{"deny", "rejected", "none", "normal", "", 1}},
		{"a forged ticket", h.ticket("forged"), "comment", decision{"deny", "rejected", "none", "normal", "", 1}},
		{"no ticket at all", ticket{}, "login", decision{"deny", "rejected", "none", "normal", "", 0}},
	} {
		if got := h.verify(row.ticket, row.scene); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
	answers := []struct {
		scene  string
		ticket ticket
		want   decision
	}{
		{"login", h.ticket("valid"), decision{"challenge", "challenge_required", "none", "degraded", "", 0}},
		{"comment", h.ticket("valid"), decision{"allow", "degraded_allow", "none", "degraded", "", 0}},
		{"payment", h.ticket("valid"), decision{"deny", "degraded_deny", "none", "degraded", "", 0}},
	}
	h.fault(`{"kind":"refuse","for":"1m"}`)
	for _, row := range answers {
		got := h.verify(row.ticket, row.scene)
		if got.Cause != "upstream_fault" && got.Cause != "circuit_open" {
			t.Errorf("%s: the cause is %q", row.scene, got.Cause)
		}
		if got.Cause, got.Attempts = "", 0; got != row.want { // how soon it opens is not the subject
			t.Errorf("%s: %+v, want %+v", row.scene, got, row.want)
		}
	}
	if status, _ := ask(t, http.MethodGet, "http://"+h.gateway.listen+"/readyz", ""); status != http.StatusOK {
		t.Errorf("readyz answers %d while the API is away", status)
	}
}

func TestServe_KeepsAModeOverKillUntilItLapses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	lasts := 10 * time.Second
	until := h.keepsAMode(lasts)
	for until.IsZero() && lasts < patience/2 { // a busy machine
		lasts *= 2
		until = h.keepsAMode(lasts)
	}
	if until.IsZero() {
		t.Fatalf("a restart took longer than %v: this machine is too slow to tell", lasts)
	}
	eventually(t, "the mode lapses", func() bool { return h.status().Override == nil })
	if late := time.Since(until); late < 0 || late > patience/3 {
		t.Errorf("it lapsed %v after its time", late)
	}
	if got := h.verify(h.ticket("valid"), "login"); got.Cause == "forced" {
		t.Errorf("after it lapsed: %+v", got)
	}
}

// keepsAMode forces a mode and looks whether it is in force after kill -9 and a restart. It
// returns until when, or zero if the mode has lapsed by then.
func (h *house) keepsAMode(lasts time.Duration) (until time.Time) {
	h.t.Helper()
	set := time.Now()
	h.run("mode", "degraded", "--for", lasts.String(), "--reason", "to be killed")
	before := h.status().Override
	h.gateway.kill(h.t)
	h.start()
	after := h.status()
	got := h.verify(h.ticket("valid"), "login")
	switch {
	case time.Since(set) > lasts:
		return time.Time{}
	case before == nil || before.Until == nil:
		h.t.Fatalf("the mode was not set: %+v", before)
	}
	if after.Override == nil || after.Override.Until == nil || !after.Override.Until.Equal(*before.Until) ||
		after.Override.Reason != "to be killed" || after.Mode != "degraded" {
		h.t.Fatalf("after kill -9 and a restart: %+v, want %+v", after.Override, before)
	}
	if got.Cause != "forced" || got.Attempts != 0 {
		h.t.Errorf("before it lapses: %+v", got)
	}
	return *before.Until
}

// The API stands still until the gateway drains, and no call stands for too long in a
// house: neither hangs on how fast this machine is.
func TestServe_DrainsOnSIGTERM(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "GATEWAY__SHUTDOWN__TIMEOUT=1m")
	body := verifyBody(h.ticket("valid"), "login")
	h.api.send(t, syscall.SIGSTOP)
	type reply struct {
		status int
		body   []byte
		err    error
	}
	answered := make(chan reply, 1)
	go func() {
		var r reply
		r.status, r.body, r.err = tryAsk(t, http.MethodPost, "http://"+h.gateway.listen+"/v1/verify", body)
		answered <- r
	}()
	eventually(t, "the request is in flight", func() bool { return h.status().Upstream.InFlight == 1 })

	h.gateway.send(t, syscall.SIGTERM)
	eventually(t, "the gateway is not ready", func() bool {
		status, _, err := tryAsk(t, http.MethodGet, "http://"+h.gateway.listen+"/readyz", "")
		return err != nil || status == http.StatusServiceUnavailable
	})
	select {
	case r := <-answered:
		t.Fatalf("the request was answered before the gateway began to drain: %d %s %v", r.status, r.body, r.err)
	default:
	}

	h.api.send(t, syscall.SIGCONT)
	h.gateway.signal(t, syscall.SIGTERM, 0, patience) // once more changes nothing
	r := <-answered
	if r.err != nil {
		t.Fatalf("the request in flight was cut: %v", r.err)
	}
	if got := decisionOf(t, r.status, r.body); got.Reason != "verified" {
		t.Errorf("the request in flight got %+v", got)
	}
}

func TestServe_ReloadsOnSIGHUP(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	action := func() string {
		_, body := ask(t, http.MethodGet, "http://"+h.gateway.listen+"/v1/mode?scene=payment", "")
		var scene struct{ Action string }
		if err := json.Unmarshal(body, &scene); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		return scene.Action
	}
	reload := func(config string) {
		h.write(config)
		h.gateway.send(t, syscall.SIGHUP)
	}
	const strict, mild, wrong = "payment:\n    degraded: deny", "payment:\n    degraded: challenge", "payment:\n    degraded: perhaps"
	if !strings.Contains(h.shipped(), strict) || action() != "deny" {
		t.Fatalf("the scene payment is not as this test wants it: %q", action())
	}

	reload(strings.Replace(h.shipped(), strict, mild, 1))
	eventually(t, "the scene's action is challenge", func() bool { return action() == "challenge" })

	reload(strings.Replace(h.shipped(), strict, wrong, 1))
	told := `"level":"ERROR".*not reloaded.*gateway\.yaml:\d+: scenes\.payment\.degraded: must be allow, challenge or deny`
	if _, err := h.gateway.await(h.gateway.stderr, told); err != nil {
		t.Fatal(err)
	}
	if got := action(); got != "challenge" {
		t.Errorf("a bad file changed the action to %q", got)
	}

	reload(h.shipped())
	eventually(t, "the scene's action is deny again", func() bool { return action() == "deny" })
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// After SIGTERM a load balancer sees that the gateway is not ready while it still
// takes new connections: nobody is sent into a listener that is closed.
func TestServe_IsNotReadyBeforeItCloses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "GATEWAY__SHUTDOWN__DELAY=6s")
	h.gateway.send(t, syscall.SIGTERM)
	if _, err := h.gateway.await(h.gateway.stderr, `not ready from now on, and serving on`); err != nil {
		t.Fatal(err)
	}
	ready := "http://" + h.gateway.listen + "/readyz"
	for _, method := range []string{http.MethodHead, http.MethodGet} { // each on a connection of its own
		if status, _, err := tryAsk(t, method, ready, ""); err != nil || status != http.StatusServiceUnavailable {
			t.Errorf("%s /readyz: %d %v, want 503", method, status, err)
		}
	}
	if got := h.verify(h.ticket("valid"), "login"); got.Reason != "verified" {
		t.Errorf("a user in the meantime got %+v", got)
	}
	select {
	case <-h.gateway.ended:
	case <-time.After(patience):
		t.Fatalf("the gateway has not ended: %s", h.gateway.stderr)
	}
	if _, _, err := tryAsk(t, http.MethodGet, ready, ""); err == nil {
		t.Error("the listener is still open")
	}
}
