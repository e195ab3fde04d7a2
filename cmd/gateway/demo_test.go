package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startDemo starts a demo on free ports, and returns it with what it prints and
// the folder that it has for temporary things.
func startDemo(t *testing.T) (p *process, printed, temporary string) {
	t.Helper()
	temporary = t.TempDir()
	p = begin(t, t.TempDir(), append(os.Environ(), "TMPDIR="+temporary), "gateway", "demo",
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--simulator-listen", "127.0.0.1:0")
	if _, err := p.await(p.stdout, `Ctrl-C ends the demo`); err != nil {
		t.Fatal(err)
	}
	return p, p.stdout.String(), temporary
}

// pasted returns the commands below each comment, by the comment's text.
func pasted(t *testing.T, printed string) map[string][]curl {
	t.Helper()
	steps, step := map[string][]curl{}, ""
	for line := range strings.Lines(printed) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "# "); ok {
			step = text
		}
		if !strings.HasPrefix(line, "curl") {
			continue
		}
		c, err := readCurl(line)
		if err != nil {
			t.Fatal(err)
		}
		steps[step] = append(steps[step], c)
	}
	return steps
}

// stepsOf are the commands whose comment begins so; there must be some.
func stepsOf(t *testing.T, steps map[string][]curl, begins string) []curl {
	t.Helper()
	for step, commands := range steps {
		if strings.HasPrefix(step, begins) {
			return commands
		}
	}
	t.Fatalf("the demo prints no commands under %q", begins)
	return nil
}

func TestDemo_PrintsCommandsThatDoWhatTheySay(t *testing.T) {
	t.Parallel()
	_, printed, _ := startDemo(t)
	steps := pasted(t, printed)
	for _, row := range []struct {
		begins string
		want   decision // of the last command
	}{
		{"1. a good ticket: allow, verified", decision{"allow", "verified", "full", "normal", "", 1}},
		{"2. a forged ticket: deny, rejected", decision{"deny", "rejected", "none", "normal", "", 1}},
		{"3. break the API", decision{}},
		{"4. the same question now: challenge, degraded", decision{"challenge", "challenge_required", "none", "degraded", "", 0}},
		{"5. a scene that lets through within its budget: allow, degraded_allow", decision{"allow", "degraded_allow", "none", "degraded", "", 0}},
		{"6. mend the API", decision{}},
		{"7. two seconds later it is verified again", decision{"allow", "verified", "full", "normal", "", 1}},
		{"more tickets", decision{}},
		{"the switch", decision{}},
	} {
		if strings.HasPrefix(row.begins, "7") {
			eventually(t, "users are back", func() bool { return circuitOf(t, steps) == "closed" })
		}
		got := performed(t, row.begins, stepsOf(t, steps, row.begins))
		for range 20 { // a demo has the usual deadlines, which a busy machine misses
			if got == row.want || row.want.Mode == "" {
				break
			}
			t.Logf("%s: %+v", row.begins, got)
			<-time.After(500 * time.Millisecond)
			got = performed(t, row.begins, stepsOf(t, steps, row.begins))
		}
		if got != row.want {
			t.Errorf("%s: %+v, want %+v", row.begins, got, row.want)
		}
	}
	wantForced(t, stepsOf(t, steps, "the switch"))
}

// performed is what the last command says, of a degraded answer without what hangs on
// whether the circuit is open yet.
func performed(t *testing.T, step string, commands []curl) (got decision) {
	t.Helper()
	for _, command := range commands {
		status, body := command.perform(t)
		if status != http.StatusOK || !json.Valid(body) {
			t.Fatalf("%s: %s %s: %d: %s", step, command.method, command.url, status, body)
		}
		if strings.HasSuffix(command.url, "/v1/verify") {
			got = decisionOf(t, status, body)
		}
	}
	if got.Cause == "circuit_open" || got.Cause == "upstream_fault" {
		got.Cause, got.Attempts = "", 0
	}
	return got
}

// circuitOf asks for the status, by the demo's last command, and returns how the
// circuit is.
func circuitOf(t *testing.T, steps map[string][]curl) string {
	t.Helper()
	commands := stepsOf(t, steps, "the switch")
	_, body := commands[len(commands)-1].perform(t)
	var status struct{ Breaker struct{ State string } }
	if err := json.Unmarshal(body, &status); err != nil {
		t.Fatalf("the status is %s (%v)", body, err)
	}
	return status.Breaker.State
}

// wantForced looks at the status that the last command asks for.
func wantForced(t *testing.T, commands []curl) {
	t.Helper()
	_, body := commands[len(commands)-1].perform(t)
	var status struct{ Mode string }
	if err := json.Unmarshal(body, &status); err != nil || status.Mode != "degraded" {
		t.Errorf("after the switch was thrown the status is %s (%v)", body, err)
	}
}

func TestDemo_EndsAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, end := range []struct {
		name   string
		signal os.Signal
	}{{"Ctrl-C", os.Interrupt}, {"SIGTERM", syscall.SIGTERM}, {"the terminal is closed", syscall.SIGHUP}} {
		t.Run(end.name, func(t *testing.T) {
			t.Parallel()
			p, _, temporary := startDemo(t)
			if left := entries(t, temporary); len(left) != 1 {
				t.Fatalf("the demo runs and its temporary folder is not where this test looks: %q", left)
			}
			p.signal(t, end.signal, 0, patience)
			if left := entries(t, temporary); len(left) != 0 {
				t.Errorf("the demo left %q behind", left)
			}
		})
	}
}

func entries(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Whoever leaves out the page's path comes there, and others use the shop whether
// somebody looks at the page or not.
func TestDemo_GoesOnByItself(t *testing.T) {
	t.Parallel()
	_, printed, _ := startDemo(t)
	address := func(name string) string {
		t.Helper()
		found := regexp.MustCompile(`(?m)^  ` + name + ` +(http://[0-9.:]+)`).FindStringSubmatch(printed)
		if found == nil {
			t.Fatalf("no %s in %s", name, printed)
		}
		return found[1]
	}
	for _, path := range []string{"/", "/demo"} {
		w, err := http.Get(address("page") + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Body.Close()
		if w.StatusCode != http.StatusOK || w.Request.URL.Path != "/demo/" {
			t.Errorf("%s leads to %s: %d", path, w.Request.URL, w.StatusCode)
		}
	}
	eventually(t, "others are verified", func() bool {
		w, err := http.Get(address("simulator") + "/_sim/stats")
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		var stats struct{ Requests int }
		return json.NewDecoder(w.Body).Decode(&stats) == nil && stats.Requests > 20
	})
}
