package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A child is a process that lives no longer than this one: it ends when its
// standard input does.
type child struct {
	what    string
	command []string
	env     []string
	ready   func(context.Context) error // nil once it is
	log     string
	group   bool // it looks after another process, which it ends and buries when its input ends

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
}

// Start runs the process and returns when it is ready.
func (c *child) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                  // the child has its own
	cmd := exec.Command(c.command[0], c.command[1:]...) //nolint:gosec,noctx // our own program; Close ends it
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(c.env, "TMPDIR="+os.TempDir())
	if c.group {
		apart(cmd)
	}
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("the %s cannot be started: %w", c.what, err)
	}
	c.cmd, c.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) { _ = cmd.Wait(); close(ended) }(c.ended)
	return c.await(ctx)
}

const (
	readyWithin = time.Minute
	readyEvery  = 10 * time.Millisecond

	buriedWithin = 5 * time.Second
)

func (c *child) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		if c.ready(ctx) == nil {
			return nil
		}
		select {
		case <-c.ended:
			text, _ := os.ReadFile(c.log)
			return fmt.Errorf("the %s ended at once and said: %s", c.what, text)
		case <-ctx.Done():
			return fmt.Errorf("the %s was not ready in time: %w", c.what, context.Cause(ctx))
		case <-time.After(readyEvery):
		}
	}
}

// Kill ends the process as kill -9 does, and waits until it is gone.
func (c *child) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return nil
	}
	err := c.kill()
	_ = c.stdin.Close()
	<-c.ended
	c.cmd = nil
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

func (c *child) kill() error {
	if !c.group {
		return c.cmd.Process.Kill()
	}
	_ = signalAll(c.cmd, goOn) // who is stopped looks after nobody
	_ = c.stdin.Close()
	select {
	case <-c.ended:
		return nil
	case <-time.After(buriedWithin):
		return signalAll(c.cmd, syscall.SIGKILL)
	}
}

// answers returns what is nil once an address answers 200.
func answers(address, path string) func(context.Context) error {
	return func(ctx context.Context) error {
		door := newControl(address)
		defer door.close()
		return door.ask(ctx, http.MethodGet, path, nil, nil)
	}
}
