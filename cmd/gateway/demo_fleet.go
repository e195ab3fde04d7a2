package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"captchagate/configs"
	"captchagate/simulator"
	"captchagate/web"
	webdemo "captchagate/web/demo"
)

const (
	mostInstances = 9
	openWithin    = time.Minute // all of it, on a busy machine
)

var errNoRedis = fmt.Errorf("%w: --instances above 1 needs redis-server on PATH, and there is none; install it, for instance with apt-get install redis-server or brew install redis", errUsage)

// A demoFleet is the instances of a demonstration and their Redis, each a process of its
// own: they are "gateway serve" on one configuration.
type demoFleet struct {
	socket    string // of Redis
	redis     *demoPart
	instances []*instance
}

// An instance is one gateway. Where it listens it says once it does.
type instance struct {
	demoPart
	ready atomic.Pointer[ready] // nil while it does not listen
}

// ready is what a gateway logs once it listens.
type ready struct{ Level, Msg, Error, Listen, Admin string }

// newDemoFleet prepares n instances before a simulator, in a folder.
func newDemoFleet(folder, simulator string, n int) (f *demoFleet, token string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, "", errNoRedis
	}
	config, token := filepath.Join(folder, "gateway.yaml"), rand.Text()
	socket := filepath.Join(folder, "redis.sock")
	if err := os.WriteFile(config, []byte(configs.DemoFleet()), 0o600); err != nil {
		return nil, "", err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	f = &demoFleet{socket: socket, redis: &demoPart{name: "Redis", heard: func([]byte) {}, command: []string{
		program, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "600", "--dir", folder,
		"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--loglevel", "warning",
	}}}
	secret, challenge := rand.Text(), rand.Text()
	for i := range n {
		own := filepath.Join(folder, fmt.Sprint("instance-", i+1))
		if err := os.Mkdir(own, 0o700); err != nil {
			return nil, "", err
		}
		in := &instance{}
		in.demoPart = demoPart{
			name: fmt.Sprint("instance ", i+1), heard: in.listens, command: []string{self, "serve", "--config", config},
			environ: []string{
				"DEMO_LISTEN=127.0.0.1:0", "DEMO_ADMIN_LISTEN=127.0.0.1:0", "DEMO_SIMULATOR_LISTEN=" + simulator, "DEMO_FOLDER=" + own,
				"DEMO_TOKEN=" + token, "GATEWAY__STORE__REDIS=unix://" + socket, "GATEWAY__STORE__SECRET=" + secret,
				"GATEWAY__CHALLENGE__SECRET=" + challenge, "GATEWAY__LOG__LEVEL=info", "GATEWAY__LOG__FORMAT=json", "GATEWAY__LOG__DECISIONS=none",
			},
		}
		f.instances = append(f.instances, in)
	}
	return f, token, nil
}

// listens hears what an instance logs: where it listens, and what else concerns people.
func (i *instance) listens(line []byte) {
	var said ready
	switch err := json.Unmarshal(line, &said); {
	case err == nil && said.Msg == "ready":
		i.ready.Store(&said)
	case err != nil || said.Level == "ERROR":
		fmt.Fprintf(os.Stderr, "%s: %s\n", i.name, line)
	}
}

// open starts all of it, and returns once every instance listens.
func (f *demoFleet) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	if err := f.redis.start(); err != nil {
		return err
	}
	err := until(ctx, func() bool {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", f.socket)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("redis-server does not listen on %s: %w", f.socket, err)
	}
	for _, i := range f.instances {
		if err := i.start(); err != nil {
			return err
		}
	}
	if until(ctx, func() bool { return len(f.listening()) == len(f.instances) }) != nil {
		return errors.New("an instance did not start; what it said stands above")
	}
	return nil
}

// until waits for something, and fails with ctx.
func until(ctx context.Context, happened func() bool) error {
	for !happened() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// close ends all of it.
func (f *demoFleet) close() {
	for _, p := range f.parts() {
		p.kill()
	}
}

func (f *demoFleet) parts() []*demoPart {
	parts := []*demoPart{f.redis}
	for _, i := range f.instances {
		parts = append(parts, &i.demoPart)
	}
	return parts
}

// listening are the instances that do, in order.
func (f *demoFleet) listening() (all []*instance) {
	for _, i := range f.instances {
		if i.ready.Load() != nil && i.running() {
			all = append(all, i)
		}
	}
	return all
}

// targets are where those instances listen, for whom one of its addresses is meant.
func (f *demoFleet) targets(address func(*ready) string) func() []target {
	return func() (all []target) {
		for _, i := range f.listening() {
			all = append(all, target{i.name, address(i.ready.Load())})
		}
		return all
	}
}

// Processes, Kill and Start are the page's.

// Processes are what can be killed.
func (f *demoFleet) Processes() (all []webdemo.Process) {
	for _, i := range f.instances {
		p := webdemo.Process{Name: i.name, Running: i.running()}
		if at := i.ready.Load(); at != nil && p.Running {
			p.Listen = at.Listen
		}
		all = append(all, p)
	}
	return append(all, webdemo.Process{Name: f.redis.name, Running: f.redis.running()})
}

// Kill is kill -9.
func (f *demoFleet) Kill(name string) error {
	return f.on(name, func(p *demoPart) error { p.kill(); return nil })
}

// Start starts what was killed.
func (f *demoFleet) Start(name string) error {
	for _, i := range f.instances {
		if i.name == name && !i.running() {
			i.ready.Store(nil)
		}
	}
	return f.on(name, (*demoPart).start)
}

func (f *demoFleet) on(name string, do func(*demoPart) error) error {
	for _, p := range f.parts() {
		if p.name == name {
			return do(p)
		}
	}
	return fmt.Errorf("there is no %q", name)
}

// fleet shows several instances.
func (d demo) fleet(ctx context.Context, folder string, sim *simulator.Simulator, out io.Writer) error {
	cfg, err := d.config(folder)
	if err != nil { // the addresses are no good
		return err
	}
	client, err := web.New(cfg.Client)
	if err != nil {
		return err
	}
	f, token, err := newDemoFleet(folder, d.simulator, d.instances)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.open(ctx); err != nil {
		return err
	}
	public, err := listenFor(ctx, "listen", &d.listen)
	if err != nil {
		return err
	}
	operators, err := listenFor(ctx, "admin.listen", &d.admin)
	if err != nil {
		return errors.Join(err, public.Close())
	}
	shop := &balancer{instances: f.targets(func(r *ready) string { return r.Listen })}
	d.token = token
	page, err := webdemo.New(webdemo.Config{
		Gateway: "http://" + d.listen, Admin: "http://" + d.admin, Simulator: "http://" + d.simulator, Token: token, Fleet: f,
		Policy: client.Policy(""),
	})
	if err != nil {
		return err
	}
	go page.Run(ctx)
	d.explain(out, sim)
	routes := http.NewServeMux()
	routes.Handle("/", shop)
	routes.Handle("/demo/", page)
	routes.Handle("/{$}", http.RedirectHandler("/demo/", http.StatusFound))
	return serveAll(ctx, map[net.Listener]http.Handler{
		public: routes, operators: &balancer{first: true, instances: f.targets(func(r *ready) string { return r.Admin })},
	})
}

// listenFor opens an address of the configuration's, and notes which it is.
func listenFor(ctx context.Context, key string, address *string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	*address = l.Addr().String()
	return l, nil
}
