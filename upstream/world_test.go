package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// A world is a network in memory, where time is virtual: a resolver, hosts at
// addresses, and flows between them and one client. Set it up and change it with
// its mutex held, or before it is used.
type world struct {
	mu     sync.Mutex
	names  []string                                    // what the API's name has for addresses
	lookup func(context.Context) ([]netip.Addr, error) // in place of names, if set
	dialed map[string]int                              // connections that were tried, by address
	hosts  map[string]*host
	flows  []*flow
	trip   time.Duration // from one end to the other and back
}

// A condition is whether a host would serve a fresh client.
type condition bool

const (
	up   condition = false
	down condition = true
)

// A host is what listens at an address.
type host struct {
	state     condition
	connect   func(context.Context) error // nil: it can be connected to
	instances []http.HandlerFunc          // that connections lead to by turns; none: handler
	handler   http.HandlerFunc
	turn      int
	server    http.Server
	listener  listener
}

func newWorld(t *testing.T, addresses ...string) *world {
	w := &world{names: addresses, dialed: map[string]int{}, hosts: map[string]*host{}}
	for _, at := range addresses {
		w.add(t, at)
	}
	return w
}

// add puts a host that passes every ticket at an address.
func (w *world) add(t *testing.T, at string) *host {
	h := &host{handler: pass, listener: listener{conns: make(chan net.Conn), closed: make(chan struct{})}}
	h.server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		ctx = context.WithValue(ctx, connKey{}, c.(served).n)
		return context.WithValue(ctx, flowKey{}, c.(served).handler)
	}
	h.server.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		handler, _ := r.Context().Value(flowKey{}).(http.HandlerFunc)
		if handler == nil {
			w.mu.Lock()
			handler = h.handler
			w.mu.Unlock()
		}
		handler(rw, r)
	})
	w.hosts[at] = h
	go func() { _ = h.server.Serve(&h.listener) }()
	t.Cleanup(func() { _ = h.server.Close() })
	return h
}

// What a request's context says: which connection of the host it came over,
// counted from 1, and what answers there.
type (
	connKey struct{}
	flowKey struct{}
)

// A listener accepts the connections that a channel brings.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (*listener) Addr() net.Addr { return &net.TCPAddr{} }

// served is the host's end of a flow, with what answers there, or nil for what
// the host says at the time.
type served struct {
	net.Conn

	n       int
	handler http.HandlerFunc
}

// A flow is the client's end of a connection. Once it is forgotten, what the
// client writes is lost and nothing comes any more.
type flow struct {
	net.Conn

	mu        sync.Mutex
	forgotten bool
	gone      chan struct{}
	once      sync.Once
}

func (f *flow) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forgotten {
		return len(p), nil
	}
	return f.Conn.Write(p)
}

func (f *flow) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	f.mu.Lock()
	forgotten := f.forgotten
	f.mu.Unlock()
	if forgotten {
		<-f.gone
		return 0, net.ErrClosed
	}
	return n, err
}

func (f *flow) Close() error {
	f.once.Do(func() { close(f.gone) })
	return f.Conn.Close()
}

// forget has every flow forgotten that stands, as a NAT does that was restarted.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.flows {
		f.mu.Lock()
		f.forgotten = true
		f.mu.Unlock()
		_ = f.Conn.Close()
	}
	w.flows = nil
}

// set changes the world.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) dial(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	h, trip := w.hosts[at.Addr().String()], w.trip
	w.dialed[at.Addr().String()]++
	var connect func(context.Context) error
	if h != nil {
		connect = h.connect
	}
	w.mu.Unlock()
	switch {
	case h == nil:
		connect = lost
	case connect == nil:
		connect = func(ctx context.Context) error { return sleep(ctx, trip) }
	}
	if err := connect(ctx); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	client, server := net.Pipe()
	f := &flow{Conn: client, gone: make(chan struct{})}
	w.set(func() { w.flows = append(w.flows, f) })
	select {
	case h.listener.conns <- w.instance(h, server):
	case <-h.listener.closed:
		_ = server.Close()
	}
	return f, nil
}

// How connecting ends.
var (
	refuse = func(context.Context) error { return os.NewSyscallError("connect", syscall.ECONNREFUSED) }
	lost   = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
)

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// instance returns the host's end of a connection, to one of its instances.
func (w *world) instance(h *host, end net.Conn) served {
	w.mu.Lock()
	defer w.mu.Unlock()
	h.turn++
	s := served{Conn: end, n: h.turn}
	if n := len(h.instances); n > 0 {
		s.handler = h.instances[h.turn%n]
	}
	return s
}

func (w *world) resolve(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	w.mu.Lock()
	lookup, names := w.lookup, w.names
	w.mu.Unlock()
	if lookup != nil {
		return lookup(ctx)
	}
	found := make([]netip.Addr, len(names))
	for i, name := range names {
		found[i] = netip.MustParseAddr(name)
	}
	return found, nil
}

// client returns a client that lives in w.
func (w *world) client(t *testing.T, reg *prometheus.Registry) *upstream.Client {
	t.Helper()
	c := newClientAt(t, "http://captcha.example", nil, reg)
	c.DialWith(w.dial, w.resolve)
	return c
}

// hang answers when the caller has gone.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func unwell(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "bad gateway", http.StatusBadGateway)
}

// Bounds of the contract's configuration.
const (
	deadline       = 2 * time.Second
	attemptTimeout = 800 * time.Millisecond
	attempts       = 3
)

// attempt calls once, bounded as the breaker does: from when the request is on
// the wire.
func attempt(ctx context.Context, c *upstream.Client, fresh bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(deadline, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	until := time.Now().Add(deadline)
	call := captcha.Call{Fresh: fresh, Deadline: until, Sent: func() { timer.Reset(min(attemptTimeout, time.Until(until))) }}
	_, err := c.Verify(call.Context(ctx), webTicket())
	return err
}

// verify asks as a user is asked about: again, if that may help.
func verify(ctx context.Context, c *upstream.Client) (tries int, err error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	for tries = 1; ; tries++ {
		err = attempt(ctx, c, false)
		f := new(captcha.Failure)
		if err == nil || ctx.Err() != nil || tries == attempts || errors.As(err, &f) && f.Kind == captcha.Overloaded {
			return tries, err
		}
	}
}
