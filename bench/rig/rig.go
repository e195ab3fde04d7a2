// Package rig builds the programs that are compared and runs them as processes
// of this machine, on loopback only.
package rig

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// The programs.
const (
	Gateway   = "gateway"       // ours
	Simple    = "simplegateway" // the 60 lines
	Constant  = "constgateway"
	Simulator = "simulator"
	LightAPI  = "lightapi"
	Profiled  = "profiled" // ours, writing a CPU profile
	Proxied   = "proxied"  // a backend behind HAProxy or nginx
	Redis     = "redis-server"
)

// A Rig is a folder with the programs, and what runs of them.
type Rig struct {
	Folder  string
	running []*Process
}

// New builds the programs into a temporary folder. product is the folder of
// the product's module, bench that of this one.
func New(ctx context.Context, product, bench string) (*Rig, error) {
	folder, err := os.MkdirTemp("", "captchagate-bench-")
	if err != nil {
		return nil, err
	}
	r := &Rig{Folder: folder}
	builds := []struct {
		in       string
		packages []string
	}{
		{product, []string{"./cmd/gateway", "./cmd/simulator"}},
		{bench, []string{"./simplegateway", "./constgateway", "./lightapi", "./profiled", "./proxied"}},
	}
	for _, b := range builds {
		cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-o", folder + "/"}, b.packages...)...)
		cmd.Dir = b.in
		if out, err := cmd.CombinedOutput(); err != nil {
			r.Close()
			return nil, fmt.Errorf("building %v in %s: %w\n%s", b.packages, b.in, err, out)
		}
	}
	return r, nil
}

// Close ends what runs and removes the folder.
func (r *Rig) Close() {
	r.StopAll()
	_ = os.RemoveAll(r.Folder)
}

// StopAll ends what runs, last first.
func (r *Rig) StopAll() {
	for i := len(r.running) - 1; i >= 0; i-- {
		r.running[i].Stop()
	}
	r.running = nil
}

// A Process is a program that runs and listens.
type Process struct {
	Addr  string // of its listener
	Admin string // of the operators' listener; ours only
	Token string // of its operators
	cmd   *exec.Cmd
	ended chan struct{}
	log   *os.File
}

// Start runs a program, one of ours or on PATH, and waits until addr takes connections. What it writes
// goes to a file beside it.
func (r *Rig) Start(ctx context.Context, program, addr string, args ...string) (*Process, error) {
	log, err := os.Create(filepath.Join(r.Folder, fmt.Sprintf("%s-%d.log", program, len(r.running))))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(r.Folder, program)
	if _, err := os.Stat(path); err != nil {
		path = program // on PATH
	}
	// Stop ends it and what it started; killing it, as ctx would, leaves nginx's.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, r.Folder
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{Addr: addr, cmd: cmd, ended: make(chan struct{}), log: log}
	go func() { _ = cmd.Wait(); close(p.ended) }()
	r.running = append(r.running, p)
	return p, p.await(program)
}

func (p *Process) await(program string) error {
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.ended:
			text, _ := os.ReadFile(p.log.Name())
			return fmt.Errorf("%s ended: %s", program, text)
		default:
		}
		conn, err := net.DialTimeout("tcp", p.Addr, time.Second)
		if err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("%s does not listen on %s", program, p.Addr)
}

// Stop ends the process, gently first.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(3 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	_ = p.log.Close()
}

// FreeAddr is an address of loopback that nobody listens on.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
