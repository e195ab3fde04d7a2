//go:build !linux

package main

import "syscall"

// diesWithUs has nothing to ask the system for here.
func diesWithUs() *syscall.SysProcAttr { return nil }
