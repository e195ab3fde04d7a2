package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A demonstration of several instances, as its page sees it.
type fleetDemo struct {
	*process

	t               *testing.T
	page, temporary string
}

// startFleetDemo starts one with a command that ends in "gateway".
func startFleetDemo(t *testing.T, command ...string) *fleetDemo {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("needs redis-server on PATH")
	}
	temporary := t.TempDir()
	command = append(command, "demo", "--instances", "3",
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--simulator-listen", "127.0.0.1:0")
	p := begin(t, t.TempDir(), append(os.Environ(), "TMPDIR="+temporary), command[0], command[1:]...)
	var err error
	for range 4 { // it is eight processes, on a busy machine
		if _, err = p.await(p.stdout, `Ctrl-C ends the demo`); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	token := regexp.MustCompile(`(?m)^  operators .*\n +(\w+)    the token to log in there with`).FindStringSubmatch(p.stdout.String())
	if token == nil || !strings.Contains(p.stdout.String(), "GATEWAY_ADMIN_TOKEN="+token[1]+" ") {
		t.Errorf("the operators' token does not stand at their address:\n%s", p.stdout)
	}
	found := regexp.MustCompile(`(?m)^  page +(http://[0-9.:]+)/`).FindStringSubmatch(p.stdout.String())
	return &fleetDemo{p, t, found[1], temporary}
}

// A seen is what the page shows.
type seen struct {
	Circuit string
	Fleet   []struct {
		Name, State string
		Running     bool
	}
	Line []struct {
		Lost int
		By   map[string]int
	}
}

func (d *fleetDemo) look() (s seen) {
	d.t.Helper()
	w, err := http.Get(d.page + "/demo/status")
	if err != nil {
		d.t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil || w.StatusCode != http.StatusOK {
		d.t.Fatalf("%v: %d %s", err, w.StatusCode, text)
	}
	return s
}

func (d *fleetDemo) presses(name string, runs bool) {
	d.t.Helper()
	order, _ := json.Marshal(map[string]any{"name": name, "runs": runs})
	if status, body := ask(d.t, http.MethodPut, d.page+"/demo/process", string(order)); status != http.StatusOK {
		d.t.Fatalf("%s: %d %s", order, status, body)
	}
}

// all waits until every process is as wanted, with the state that others see of it.
func (d *fleetDemo) all(what string, holds func(name, state string, running bool) bool) {
	d.t.Helper()
	eventually(d.t, what, func() bool {
		for _, p := range d.look().Fleet {
			if !holds(p.Name, p.State, p.Running) {
				return false
			}
		}
		return true
	})
}

func closed(name, state string, running bool) bool {
	return running && (name == "Redis" || state == "closed")
}

// Whichever process of the demonstration is killed and started again, no user is left
// without an answer.
func TestDemo_RunsAFleet(t *testing.T) {
	t.Parallel()
	d := startFleetDemo(t, "gateway")
	d.all("all are closed", closed)
	d.wantPolicy()
	for _, name := range []string{"instance 1", "Redis", "instance 3"} {
		d.presses(name, false)
		d.all(name+" is gone", func(other, _ string, running bool) bool { return running == (other != name) })
		d.presses(name, true)
		d.all("all are closed again", closed)
	}
	s := d.look()
	answered := map[string]bool{}
	for _, second := range s.Line {
		if second.Lost > 0 {
			t.Errorf("%d users got no answer", second.Lost)
		}
		for name := range second.By {
			answered[name] = true
		}
	}
	if len(answered) != 3 || s.Circuit != "closed" {
		t.Errorf("%v answered, the circuit is %s", answered, s.Circuit)
	}
	for _, i := range []string{"instance 1", "instance 2", "instance 3"} {
		d.presses(i, false)
	}
	if s := d.look(); s.Circuit != "nobody" {
		t.Errorf("with nobody left the circuit is %s", s.Circuit)
	}
	d.presses("instance 2", true)
	eventually(t, "one is enough", func() bool { return d.look().Circuit == "closed" })
	wantForced(t, forcing(t, d.stdout.String()))
	d.signal(t, os.Interrupt, 0, 20*time.Second)
	if left := entries(t, d.temporary); len(left) != 0 {
		t.Errorf("the demo left %q behind", left)
	}
	d.wantNobody()
}

// wantPolicy looks whether the page says what may run in it.
func (d *fleetDemo) wantPolicy() {
	d.t.Helper()
	w, err := http.Get(d.page + "/demo/")
	if err != nil {
		d.t.Fatal(err)
	}
	defer w.Body.Close()
	if policy := w.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "object-src 'none'") {
		d.t.Errorf("the page's policy is %q", policy)
	}
}

// forcing performs the demonstration's commands for the switch.
func forcing(t *testing.T, printed string) []curl {
	t.Helper()
	commands := stepsOf(t, pasted(t, printed), "the switch")
	if status, body := commands[0].perform(t); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	return commands
}

// However the demonstration ends, its processes end too: by kill -9, and by a terminal that
// is closed, which hangs up on all of them at once.
func TestDemo_KilledLeavesNoProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("processes cannot be looked at here")
	}
	for name, tt := range map[string]struct {
		command []string
		end     func(*process) error
		code    int
	}{
		"killed":     {[]string{"gateway"}, func(p *process) error { return p.cmd.Process.Kill() }, -1},
		"hung up on": {[]string{"setsid", "gateway"}, func(p *process) error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGHUP) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := startFleetDemo(t, tt.command...)
			if len(d.processes()) == 0 {
				t.Fatal("no process names the demonstration's folder")
			}
			if err := tt.end(d.process); err != nil {
				t.Fatal(err)
			}
			select {
			case <-d.ended:
			case <-time.After(patience):
				t.Fatal("it does not end")
			}
			if code := d.cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("it ended with %v, want exit code %d", d.cmd.ProcessState, tt.code)
			}
			d.wantNobody()
		})
	}
}

func (d *fleetDemo) wantNobody() {
	d.t.Helper()
	eventually(d.t, "no process is left", func() bool { return len(d.processes()) == 0 })
}

// processes are the commands that name the demonstration's folder.
func (d *fleetDemo) processes() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range all {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), d.temporary) { // may have ended
			found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

func TestDemo_SaysWhatAFleetNeeds(t *testing.T) {
	t.Parallel()
	gateway, err := exec.LookPath("gateway")
	if err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"needs redis-server on PATH, and there is none; install it": {"--instances", "2"},
		"--instances must be from 1 to 9, is 0":                     {"--instances", "0"},
	} {
		p := begin(t, t.TempDir(), []string{"PATH=" + t.TempDir()}, gateway, append([]string{"demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--simulator-listen", "127.0.0.1:0"}, args...)...)
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Fatal("it does not end")
		}
		if code := p.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%v: exit %d: %s", args, code, p.stderr)
		}
	}
}
