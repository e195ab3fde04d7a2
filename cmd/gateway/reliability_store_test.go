package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The disk is full in an outage: everybody is answered, nobody is let through unverified,
// nothing that was kept is lost, and all goes on once there is room.
func TestReliability_DiskFull(t *testing.T) {
	if !inANetworkOfItsOwn(t) {
		return
	}
	h := newTrial(t)
	data := filepath.Join(h.folder, "data")
	sh(t, "mount -t tmpfs -o size=4m,mode=0700 none "+data)
	t.Cleanup(func() { sh(t, "umount -l "+data) })
	h.writeToken()
	h.widens()
	h.start()
	h.fault(`{"kind":"internal_error"}`)
	let := h.comes("comment", 50).leavesAfter(5 * time.Second)
	filler := filepath.Join(data, "filler")
	sh(t, "dd if=/dev/zero of="+filler+" bs=4k 2>/dev/null || true")
	full := h.comes("comment", 50).leavesAfter(10 * time.Second)
	healthy, trouble := h.metric("captchagate_store_healthy"), h.metric("captchagate_store_kept_out_total")
	h.gateway.kill(t)
	h.start() // on a disk that is full
	restarted := h.comes("comment", 50).leavesAfter(5 * time.Second)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	freed := time.Now()
	users := h.comes("comment", 50)
	eventually(t, "somebody is let through again", func() bool {
		return h.verify(h.ticket("valid"), "comment").Reason == "degraded_allow"
	})
	again := time.Since(freed)
	users.leavesAfter(3 * time.Second)
	passes := func(s visits) int { return len(s.that(func(v visit) bool { return v.Decision == "allow" })) }
	figure(t, "disk full: with room %d of %d let through; without %d of %d, %.0f %% answered, p99 %v, captchagate_store_healthy %.0f, %.0f kept out; after kill -9 on the full disk %d of %d, %.0f %% answered; with room again after %v",
		passes(let), len(let), passes(full), len(full), 100-full.percent(failed), full.quantile(0.99), healthy, trouble, passes(restarted), len(restarted), 100-restarted.percent(failed), again.Round(time.Millisecond))
	if passes(let) == 0 || full.percent(failed) > 0 || restarted.percent(failed) > 0 {
		t.Errorf("%s\n%s\n%s", let.reasons(), full.reasons(), restarted.reasons())
	}
}

// A store that cannot be used is refused with what to do, and left as it is; or it is read
// with all that it held.
func TestReliability_DamagedStores(t *testing.T) {
	h := newTrial(t)
	h.widens()
	h.start()
	h.run("mode", "degraded", "--reason", "kept-in-the-store")
	for range 20 {
		h.verify(h.ticket("valid"), "comment")
	}
	h.gateway.signal(t, os.Interrupt, 0, patience)
	path := filepath.Join(h.folder, "data", "gateway.db")
	whole := []byte(mustRead(t, path))
	refusals := regexp.MustCompile(`store: "[^"]*gateway.db" (is damaged or no store|is empty|is no store|was written by)`)
	for _, row := range []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"cut to half", func(b []byte) []byte { return b[:len(b)/2] }},
		{"cut to a page", func(b []byte) []byte { return b[:4096] }},
		{"both heads overwritten", func(b []byte) []byte { copy(b, make([]byte, 8192)); return b }},
		{"another version", func(b []byte) []byte { b[20], b[4096+20] = 9, 9; return b }},
		{"zeros", func(b []byte) []byte { return make([]byte, len(b)) }},
		{"a text", func([]byte) []byte { return []byte(strings.Repeat("This is a letter.\n", 1000)) }},
		{"SQLite", func([]byte) []byte {
			return append([]byte("SQLite format 3\x00"), bytes.Repeat([]byte{1, 2, 3}, 9000)...)
		}},
	} {
		damaged := row.damage(bytes.Clone(whole))
		said, took := h.refuses(path, damaged)
		if !refusals.MatchString(said) {
			t.Errorf("%s: it says %q", row.name, said)
		}
		t.Logf("%s: refused after %v: %s", row.name, took.Round(time.Millisecond), strings.TrimSpace(said))
	}
	h.flips(path, whole, length(10, 150))
	if err := os.Remove(path); err != nil { // the documented repair: begin anew
		t.Fatal(err)
	}
	h.start()
	if h.status().Override != nil {
		t.Error("a new store knows a mode")
	}
}

// flips starts the gateway on stores with one byte that is another.
func (h *house) flips(path string, whole []byte, n int) {
	h.t.Helper()
	refused, kept := 0, 0
	dice := rand.New(rand.NewPCG(1, 2))
	for range n {
		damaged := bytes.Clone(whole)
		at := dice.IntN(len(damaged))
		damaged[at] ^= byte(1 + dice.IntN(255))
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			h.t.Fatal(err)
		}
		g, err := startProgram(h.program, h.folder, h.environ, h.config())
		if err != nil {
			refused++
			if !strings.Contains(err.Error(), "store") || !strings.Contains(err.Error(), "move") {
				h.t.Errorf("with byte %d of %d changed it ends with %v", at, len(damaged), err)
			}
			continue
		}
		h.gateway = g
		if s := h.status(); s.Override != nil && s.Override.Reason == "kept-in-the-store" && s.Store.Healthy {
			kept++
		} else {
			h.t.Errorf("with byte %d of %d changed it starts with the mode %+v", at, len(damaged), s.Override)
		}
		h.gateway.signal(h.t, os.Interrupt, 0, patience)
	}
	figure(h.t, "store damaged: empty, cut, overwritten, another version, another program's: refused, file unchanged; of %d with one byte changed %d refused, %d started with what they held", n, refused, kept)
}

// refuses has the gateway start on a store that it must not take, and must leave as it is.
func (h *house) refuses(path string, store []byte) (said string, took time.Duration) {
	h.t.Helper()
	if err := os.WriteFile(path, store, 0o600); err != nil {
		h.t.Fatal(err)
	}
	began := time.Now()
	p := begin(h.t, h.folder, h.environ, h.program, "serve", "--config", h.config())
	select {
	case <-p.ended:
	case <-time.After(3 * time.Second):
		_ = p.end()
		return fmt.Sprintf("it runs: %s", p.stderr), time.Since(began)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 1 {
		h.t.Errorf("it ends with %d", code)
	}
	if sha256.Sum256([]byte(mustRead(h.t, path))) != sha256.Sum256(store) {
		h.t.Error("the file was changed")
	}
	return p.stderr.String(), time.Since(began)
}
