package main

import "syscall"

// diesWithUs has a process killed when the one that started it dies.
func diesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
