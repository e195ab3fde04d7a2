package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"captchagate/simulator"
)

// noLinger has the command under the race detector end at once, and not a
// second later.
const noLinger = "GORACE=atexit_sleep_ms=0"

// TestMain lets this test binary run as the command simulator too.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"simulator": main})
}

func TestSimulator_RunsTheScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, noLinger)
			return nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func TestSimulator_EndsWithTheCodeThatTheShellSees(t *testing.T) {
	t.Parallel()
	_, address, _ := startSimulator(t)
	taken := strings.TrimPrefix(address, "http://")
	for _, row := range []struct {
		args []string
		want int
	}{
		{[]string{"--help"}, 0}, {[]string{"--lisen", "x"}, 2}, {[]string{"extra"}, 2},
		{[]string{"--capacity", "-3"}, 2}, {[]string{"--listen", taken}, 1},
	} {
		cmd := exec.Command("simulator", row.args...)
		cmd.Env = append(os.Environ(), noLinger)
		out, _ := cmd.CombinedOutput() // the code says it
		if got := cmd.ProcessState.ExitCode(); got != row.want {
			t.Errorf("simulator %v ended with %d, want %d:\n%s", row.args, got, row.want, out)
		}
	}
}

func TestSimulator_ServesUntilASignalEndsIt(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "Ctrl-C": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, address, logs := startSimulator(t)
			for _, request := range [][3]string{
				{http.MethodPost, "/_sim/tickets", `{"kind":"valid","count":2}`},
				{http.MethodPut, "/_sim/fault", `{"kind":"hang"}`},
				{http.MethodGet, "/_sim/stats", ""},
			} {
				if status, body := ask(t, request[0], address+request[1], request[2]); status != http.StatusOK || !json.Valid(body) {
					t.Errorf("%v: %d: %s", request, status, body)
				}
			}
			ended := make(chan error, 1)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("it ended with %v:\n%s", err, logs)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it had not ended after 10 s")
			}
			wantJSON(t, logs.Bytes())
		})
	}
}

// startSimulator starts the command on a free port and returns the address that
// it prints. logs may be read once it has ended.
func startSimulator(t *testing.T) (cmd *exec.Cmd, address string, logs *bytes.Buffer) {
	t.Helper()
	logs = &bytes.Buffer{}
	cmd = exec.Command("simulator", "--listen", "127.0.0.1:0")
	cmd.Env, cmd.Stderr = append(os.Environ(), noLinger), logs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it printed nothing: %v", err)
	}
	found := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(line)
	if found == "" {
		t.Fatalf("it printed no address: %s", line)
	}
	return cmd, found, logs
}

func ask(t *testing.T, method, url, body string) (status int, answer []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func wantJSON(t *testing.T, logs []byte) {
	t.Helper()
	if len(logs) == 0 {
		t.Error("it logged nothing")
	}
	for line := range bytes.Lines(logs) {
		if !json.Valid(line) {
			t.Errorf("this line of the log is no JSON: %s", line)
		}
	}
}

// Who reads the help knows every kind of fault and of ticket, and --help fits a terminal.
func TestSimulator_HelpListsTheKinds(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	cmd := command(&out, io.Discard)
	cmd.SetArgs([]string{"--help"})
	cmd.SetOut(&out)
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	kinds := simulator.TicketKinds()
	for _, kind := range simulator.Kinds() {
		kinds = append(kinds, string(kind))
	}
	words := strings.FieldsFunc(out.String(), func(r rune) bool { return strings.ContainsRune(" ,.\n", r) })
	for _, kind := range kinds {
		if !slices.Contains(words, kind) {
			t.Errorf("%s is missing in %s", kind, out.String())
		}
	}
}
