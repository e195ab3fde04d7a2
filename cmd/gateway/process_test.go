package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that should happen at once, on a
// machine that is busy with other things.
const patience = time.Minute

// A process is a command that runs, and what it has printed so far.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *transcript
	ended          chan struct{} // closed once it has ended and printed all
}

// start runs a command in a folder.
func start(folder string, environ []string, name string, args ...string) (*process, error) {
	p := &process{
		cmd: exec.Command(name, args...), ended: make(chan struct{}),
		stdout: newTranscript(), stderr: newTranscript(),
	}
	p.cmd.Dir, p.cmd.Env = folder, environ
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is in ProcessState
		close(p.ended)
	}()
	return p, nil
}

// begin is start for a test, which also ends the process and looks at what it
// said.
func begin(t *testing.T, folder string, environ []string, name string, args ...string) *process {
	t.Helper()
	p, err := start(folder, environ, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conclude(t) })
	return p
}

func (p *process) conclude(t *testing.T) {
	t.Helper()
	if err := p.end(); err != nil {
		t.Errorf("%s: %v", p.cmd.Path, err)
	}
	if t.Failed() {
		t.Logf("%v printed:\n%s\nand on standard error:\n%s", p.cmd.Args, p.stdout, p.stderr)
	}
}

// end kills the process if it still runs. The error says that it printed a
// stack trace or the report of a race.
func (p *process) end() error {
	_ = p.cmd.Process.Kill() // may have ended already
	<-p.ended
	if found := trace.FindString(p.stderr.String()); found != "" {
		return fmt.Errorf("standard error shows a stack trace (%s):\n%s", found, p.stderr)
	}
	return nil
}

// await waits until out matches pattern, and returns the groups.
func (p *process) await(out *transcript, pattern string) ([]string, error) {
	wanted := regexp.MustCompile(pattern)
	late := time.After(patience)
	for over := false; ; {
		changed := out.changed()
		if found := wanted.FindStringSubmatch(out.String()); found != nil {
			return found, nil
		}
		if over {
			return nil, fmt.Errorf("%s ended and never said %q, only:\n%s%s", p.cmd.Path, pattern, p.stdout, p.stderr)
		}
		select {
		case <-changed:
		case <-p.ended:
			over = true // what it printed last is there now
		case <-late:
			return nil, fmt.Errorf("%s has not said %q in %v, only:\n%s%s", p.cmd.Path, pattern, patience, p.stdout, p.stderr)
		}
	}
}

func (p *process) send(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// signal sends s and wants the process to end with code by most.
func (p *process) signal(t *testing.T, s os.Signal, code int, most time.Duration) {
	t.Helper()
	p.send(t, s)
	select {
	case <-p.ended:
	case <-time.After(most):
		t.Fatalf("%v had not ended %v after %v", p.cmd.Args, most, s)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v ended with %v after %v, want exit code %d", p.cmd.Args, p.cmd.ProcessState, s, code)
	}
}

// kill is kill -9.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL, -1, patience)
}

// A gatewayProcess is "gateway serve" once both its listeners are open.
type gatewayProcess struct {
	*process
	listen, admin string
}

// startGateway starts it; the configuration should ask for port 0 and for JSON
// logs.
func startGateway(folder string, environ []string, config string) (*gatewayProcess, error) {
	return startProgram("gateway", folder, environ, config)
}

// startProgram is startGateway of another program.
func startProgram(program, folder string, environ []string, config string) (*gatewayProcess, error) {
	p, err := start(folder, environ, program, "serve", "--config", config)
	if err != nil {
		return nil, err
	}
	return p.becomesGateway()
}

// becomesGateway waits until a gateway's listeners are open.
func (p *process) becomesGateway() (*gatewayProcess, error) {
	found, err := p.await(p.stderr, `(?m)^.*"msg":"ready".*$`)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	var ready struct{ Listen, Admin string }
	if err := json.Unmarshal([]byte(found[0]), &ready); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return &gatewayProcess{p, ready.Listen, ready.Admin}, nil
}

// A transcript is what a process printed, for many to read while it prints.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{} // closed by the next Write
}

func newTranscript() *transcript { return &transcript{grew: make(chan struct{})} }

// Write implements io.Writer.
func (tr *transcript) Write(p []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	close(tr.grew)
	tr.grew = make(chan struct{})
	return tr.text.Write(p)
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.String()
}

// changed is closed when there is more than at this moment.
func (tr *transcript) changed() <-chan struct{} {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.grew
}
