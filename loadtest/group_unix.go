//go:build unix

package loadtest

import (
	"os/exec"
	"syscall"
)

// Signals that stop a process and let it go on.
const (
	stopIt = syscall.SIGSTOP
	goOn   = syscall.SIGCONT
)

// apart gives a command a group of its own, for it and the processes that it starts.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalAll sends a signal to all of the command's group.
func signalAll(cmd *exec.Cmd, s syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, s) }
