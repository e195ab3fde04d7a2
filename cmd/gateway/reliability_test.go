package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The trials of docs/reliability.md: the gateway as it is built, before a simulator, and
// something that goes wrong around it. "make reliability" plays them at full length and
// prints their figures.

// trial leaves a test to "make reliability": it takes too long for every run, or wants
// root's rights.
func trial(t *testing.T) {
	t.Helper()
	if !*full {
		t.Skip(`"make reliability" plays it`)
	}
}

// figure prints a figure of docs/reliability.md.
func figure(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("FIGURE "+format, args...)
}

// built is the gateway as it is released, where figures count; else this binary does.
func built(t *testing.T) string {
	t.Helper()
	if !*full {
		return "gateway"
	}
	program, err := release()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var release = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "captchagate-release-")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-trimpath", "-o", folder, "captchagate/cmd/gateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(folder, "gateway"), nil
})

// newTrial is a house whose gateway is the built one, with the times of its defaults, and
// which has not started.
func newTrial(t *testing.T, environ ...string) *house {
	t.Helper()
	h := furnish(t, slices.Concat([]string{"GATEWAY__SCRIPT_PROBE__URL="}, environ)...)
	h.program = built(t)
	return h
}

// widens gives the scene comment a budget that no trial spends.
func (h *house) widens() {
	h.t.Helper()
	const narrow = "    budget: {per_ip: 10/m, per_subject: 5/m, total: 200/s, for: 15m}"
	if text := h.shipped(); strings.Contains(text, narrow) {
		h.write(strings.Replace(text, narrow, "    budget: {total: 20000/s, for: 1h}", 1))
		return
	}
	h.t.Fatalf("configs/gateway.yaml no longer holds %q", narrow)
}

func (h *house) url() string {
	if h.trust != nil {
		return "https://" + h.gateway.listen
	}
	return "http://" + h.gateway.listen
}

func (h *house) tickets(n int) (made []ticket) {
	h.t.Helper()
	resp, err := http.Post("http://"+h.simulator+"/_sim/tickets", "application/json", strings.NewReader(fmt.Sprintf(`{"kind":"valid","count":%d}`, n)))
	if err == nil {
		err = json.NewDecoder(resp.Body).Decode(&made)
		_ = resp.Body.Close()
	}
	if err != nil || len(made) != n {
		h.t.Errorf("%d tickets, %v", len(made), err)
		return make([]ticket, n)
	}
	return made
}

// metric is what a counter or gauge of the gateway says; -1 if there is none.
func (h *house) metric(name string) float64 {
	h.t.Helper()
	_, text := ask(h.t, http.MethodGet, "http://"+h.gateway.admin+"/metrics", "")
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				h.t.Fatal(err)
			}
			return value
		}
	}
	return -1
}

// A weight is what a process holds in memory.
type weight struct{ now, peak float64 } // MB

// weighs reads the weight; peak is since lightens.
func (g *gatewayProcess) weighs(t *testing.T) (w weight) {
	t.Helper()
	for line := range strings.Lines(mustRead(t, fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))) {
		var kb float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kb); err == nil {
			w.now = kb / 1024
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kb); err == nil {
			w.peak = kb / 1024
		}
	}
	return w
}

// lightens forgets the peak.
func (g *gatewayProcess) lightens(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", g.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// A drip is a stranger who sends a request byte by byte.
type drips struct {
	conns []net.Conn
	cut   atomic.Int64
}

// dials connects from one of 250 addresses of this machine.
func (h *house) dials(i int) (net.Conn, error) {
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))}, Timeout: patience}
	return from.Dial("tcp", h.gateway.listen)
}

// strangers holds n connections, each of which says what begins and then a byte a second.
func (h *house) strangers(n int, begins func(i int) string, stop <-chan struct{}) *drips {
	h.t.Helper()
	d := &drips{conns: make([]net.Conn, n)}
	for i := range n {
		c, err := h.dials(i)
		if err != nil {
			h.t.Fatal(err)
		}
		_, _ = io.WriteString(c, begins(i))
		d.conns[i] = c
	}
	go func() {
		every := time.NewTicker(time.Second)
		defer every.Stop()
		for {
			select {
			case <-stop:
				for _, c := range d.conns {
					_ = c.Close()
				}
				return
			case <-every.C:
			}
			for i, c := range d.conns {
				if _, err := io.WriteString(c, "a"); err != nil { // it comes again
					d.cut.Add(1)
					_ = c.Close()
					if again, err := h.dials(i); err == nil {
						d.conns[i] = again
						_, _ = io.WriteString(again, begins(i))
					}
				}
			}
		}
	}()
	return d
}

// inANetworkOfItsOwn plays a test once more, alone, where it may change mounts, addresses
// and packet filters as it likes, and reports whether this is that time.
func inANetworkOfItsOwn(t *testing.T) bool {
	t.Helper()
	trial(t)
	const inside = "CAPTCHAGATE_TRIAL"
	if os.Getenv(inside) == t.Name() {
		return true
	}
	if syscall.Getuid() != 0 {
		t.Skip("it wants root's rights, for a network of its own")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.Command("unshare", "-n", "-m", "sh", "-c", `ip link set lo up && exec "$0" "$@"`, self, "-test.v", "-test.run", "^"+t.Name()+"$", "-full")
	again.Env = append(os.Environ(), inside+"="+t.Name())
	out, err := again.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if _, what, found := strings.Cut(line, "FIGURE "); found {
			figure(t, "%s", strings.TrimSpace(what))
		}
	}
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}

// sh runs a command of the system.
func sh(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}
