//go:build !unix

package loadtest

import (
	"errors"
	"os/exec"
	"syscall"
)

// There is nothing that stops a process.
const (
	stopIt = syscall.Signal(0)
	goOn   = syscall.Signal(0)
)

func apart(*exec.Cmd) {}

func signalAll(cmd *exec.Cmd, s syscall.Signal) error {
	if s == syscall.SIGKILL {
		return cmd.Process.Kill()
	}
	return errors.New("this system stops no process; play it on Linux or macOS")
}
