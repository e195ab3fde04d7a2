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
		{"4. the same question now: challenge, upstream_fault", decision{"challenge", "challenge_required", "none", "degraded", "upstream_fault", 0}},
		{"5. a scene that lets through within its budget: allow, degraded_allow", decision{"allow", "degraded_allow", "none", "degraded", "upstream_fault", 0}},
		{"6. mend the API, and it is verified again", decision{"allow", "verified", "full", "normal", "", 1}},
		{"more tickets", decision{}},
		{"the switch", decision{}},
	} {
		var got decision
		for _, command := range stepsOf(t, steps, row.begins) {
			status, body := command.perform(t)
			if status != http.StatusOK || !json.Valid(body) {
				t.Fatalf("%s: %s %s: %d: %s", row.begins, command.method, command.url, status, body)
			}
			if strings.HasSuffix(command.url, "/v1/verify") {
				got = decisionOf(t, status, body)
			}
		}
		if row.want.Mode == "degraded" {
			if got.Attempts < 1 {
				t.Errorf("%s: the API was not asked", row.begins)
			}
			got.Attempts = 0 // how often is not the subject
		}
		if got != row.want {
			t.Errorf("%s: %+v, want %+v", row.begins, got, row.want)
		}
	}
	wantForced(t, stepsOf(t, steps, "the switch"))
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
			p.signal(t, end.signal, 0, 10*time.Second)
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
