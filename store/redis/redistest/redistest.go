// Package redistest starts a redis-server for a test.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// patience bounds the wait for a server to answer, on a busy machine.
const patience = time.Minute

// A Server is a redis-server of a test's own, empty, without persistence.
type Server struct {
	Port int

	t     testing.TB
	args  []string // besides the usual ones
	cmd   *exec.Cmd
	ended chan struct{} // closed once cmd has
}

// Start starts a server on a free port of loopback, which the end of the test ends.
// Where redis-server is missing the test is skipped, and fails instead if CI is
// true.
func Start(t testing.TB) *Server {
	t.Helper()
	return start(t)
}

// start is Start with more arguments.
func start(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" { //nolint:forbidigo // a test, told by CI
			t.Fatal("redis-server is not on PATH")
		}
		t.Skip("redis-server is not on PATH")
	}
	s := &Server{Port: freePort(t), t: t, args: args}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port //nolint:errcheck // it is TCP
}

// Address is host and port.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// URL is what a configuration says.
func (s *Server) URL() string { return "redis://" + s.Address() + "/0" }

// Restart starts the server anew, with nothing in it, after Kill. Where somebody's
// connection has its port meanwhile it ends at once, and is started again.
func (s *Server) Restart() {
	s.t.Helper()
	s.begin()
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		if s.isEnded() {
			s.begin()
		}
		reply, err := s.try("PING")
		if err == nil && reply == "+PONG\r\n" && !s.isEnded() {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("redis-server does not answer: %q %v", reply, err)
		}
	}
}

func (s *Server) begin() {
	s.t.Helper()
	cmd := exec.Command("redis-server", append(s.args, "--port", fmt.Sprint(s.Port), "--bind", "127.0.0.1", //nolint:gosec,noctx // a test's own
		"--save", "", "--appendonly", "no", "--dir", s.t.TempDir(), "--daemonize", "no", "--loglevel", "warning")...)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	s.cmd, s.ended = cmd, ended
	go func() { _ = cmd.Wait(); close(ended) }()
}

func (s *Server) isEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// Kill is kill -9.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// Stop stops the process as SIGSTOP does, until Continue.
func (s *Server) Stop() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue ends a Stop.
func (s *Server) Continue() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// Do sends a command and returns the reply as it is on the wire, up to 64 KiB.
func (s *Server) Do(command string) string {
	s.t.Helper()
	reply, err := s.try(command)
	if err != nil {
		s.t.Fatalf("%s: %v", command, err)
	}
	return reply
}

// await polls until a reply to a command matches a pattern, and returns the last one.
func (s *Server) await(what, command, pattern string) string {
	s.t.Helper()
	wanted := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		reply, err := s.try(command)
		if err == nil && wanted.MatchString(reply) {
			return reply
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not so after %v: %s answers %q %v", what, patience, command, reply, err)
		}
	}
}

func (s *Server) try(command string) (string, error) {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", s.Address())
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", err
	}
	reply := make([]byte, 64<<10)
	n, err := c.Read(reply)
	return string(reply[:n]), err
}
