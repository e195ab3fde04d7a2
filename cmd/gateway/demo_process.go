package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
)

// newDemoProcess is what the demonstration starts others by: they live no longer than
// it does, however it ends, because its end of their standard input goes with it.
func newDemoProcess() *cobra.Command {
	return &cobra.Command{
		Use: "demo-process COMMAND [ARGUMENT]...", Hidden: true, Args: cobra.MinimumNArgs(1), DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			process := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // the demonstration's own; it ends below
			process.Stdout, process.Stderr = os.Stderr, os.Stderr
			process.SysProcAttr = diesWithUs()
			runtime.LockOSThread() // with this thread the process would die, on Linux
			// A terminal that is closed hangs up on this process too, which still has to end
			// the other one. To ignore it would have the other one do so.
			signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
			if err := process.Start(); err != nil {
				return err
			}
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end too
				_ = process.Process.Kill()
			}()
			_ = process.Wait() // who started it hears of the end, and what it said
			return nil
		},
	}
}

// A demoPart is a process of the demonstration, which can be killed and started again.
type demoPart struct {
	name    string
	command []string
	environ []string
	heard   func(line []byte) // of what it says; called by one goroutine

	mu    sync.Mutex
	stdin io.Closer
	ended chan struct{} // nil before the first start
}

// start starts the process, unless it runs.
func (p *demoPart) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runs() {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append([]string{"demo-process"}, p.command...)...) //nolint:gosec,noctx // our own program; kill ends it
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0"}, p.environ...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	lines, err := cmd.StderrPipe()
	if err != nil {
		return errors.Join(err, stdin.Close())
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	p.stdin, p.ended = stdin, ended
	go func() {
		defer close(ended)
		for all := bufio.NewScanner(lines); all.Scan(); {
			p.heard(all.Bytes())
		}
		_, _ = io.Copy(io.Discard, lines) // after a line that was too long
		_ = cmd.Wait()
	}()
	return nil
}

// runs reports whether the process does; p.mu must be held.
func (p *demoPart) runs() bool {
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// running reports whether the process runs.
func (p *demoPart) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runs()
}

// kill ends the process as kill -9 does, and waits until it is gone.
func (p *demoPart) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		return
	}
	_ = p.stdin.Close()
	<-p.ended
}
