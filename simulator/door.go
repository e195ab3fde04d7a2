package simulator

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// reopenEvery is the pause between attempts to have an address back that
// somebody else took while connections were refused.
const reopenEvery = 50 * time.Millisecond

// A door is a listener that refuses connections for real: while the fault says
// so, nothing listens on the address, and connect() fails. It follows the
// simulator's fault; nobody tells it what to do.
type door struct {
	sim     *Simulator
	address string        // with the port that was given
	closing chan struct{} // closed when Serve begins to shut down
	turn    chan struct{} // wakes Accept when the listener has changed

	mu       sync.Mutex
	listener net.Listener // nil while refusing
	closed   bool
	lines    map[net.Conn]*line
}

// A line is an open connection. One whose last request went to the controls is
// kept when connections are refused, so that the fault can be lifted.
type line struct {
	door    *door
	control atomic.Bool
}

type lineKey struct{}

func lineOf(r *http.Request) *line {
	l, _ := r.Context().Value(lineKey{}).(*line)
	return l
}

func (s *Simulator) openDoor(address string) (*door, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("simulator: cannot listen on %q: %w; free the address or give another", address, err)
	}
	return &door{
		sim: s, address: l.Addr().String(), listener: l,
		closing: make(chan struct{}), turn: make(chan struct{}, 1),
		lines: map[net.Conn]*line{},
	}, nil
}

// Accept implements net.Listener over all lives of the address.
func (d *door) Accept() (net.Conn, error) {
	for {
		l, wait, err := d.stance()
		switch {
		case err != nil:
			return nil, err
		case l == nil:
			d.rest(wait)
			continue
		}
		conn, err := l.Accept()
		if err != nil {
			if d.isCurrent(l) {
				return nil, err
			}
			continue // closed under us to refuse, or for good
		}
		if d.admit(l, conn) {
			return conn, nil
		}
		d.sim.stats.refuse()
		hardClose(conn)
	}
}

// stance is the listener as the fault wants it, or how long to wait for one.
func (d *door) stance() (net.Listener, time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, 0, net.ErrClosed
	}
	wait := d.adjust()
	return d.listener, wait, nil
}

// follow makes the door as the fault wants it, at once.
func (d *door) follow() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.adjust()
	select {
	case d.turn <- struct{}{}:
	default: // Accept will wake anyway
	}
}

// adjust shuts or opens; it returns how long the door stays shut by itself.
func (d *door) adjust() time.Duration {
	now := time.Now()
	st := d.sim.current(now)
	if st.kind == Refuse && st.share >= 1 {
		d.shut()
		return st.ends.Sub(now)
	}
	if d.listener != nil {
		return 0
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", d.address)
	if err != nil {
		d.sim.log.Warn("cannot listen again after refusing connections; trying on", "address", d.address, "error", err)
		return reopenEvery
	}
	d.listener = l
	return 0
}

func (d *door) shut() {
	if d.listener == nil {
		return
	}
	_ = d.listener.Close()
	d.listener = nil
	for conn, l := range d.lines {
		if !l.control.Load() {
			hardClose(conn)
		}
	}
}

func (d *door) rest(wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-d.turn:
	}
}

func (d *door) isCurrent(l net.Listener) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.closed && d.listener == l
}

// admit enters a new connection in the book, unless the door was shut in the
// meantime or the connection is in the share that is refused.
func (d *door) admit(l net.Listener, conn net.Conn) bool {
	st := d.sim.current(time.Now())
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.listener != l || st.kind == Refuse && d.sim.dice.hit(st.share) {
		return false
	}
	d.lines[conn] = &line{door: d}
	return true
}

// Close implements net.Listener.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	select {
	case d.turn <- struct{}{}:
	default:
	}
	if d.listener == nil {
		return nil
	}
	err := d.listener.Close()
	d.listener = nil
	return err
}

// Addr implements net.Listener.
func (d *door) Addr() net.Addr {
	addr, _ := net.ResolveTCPAddr("tcp", d.address) // written by a listener: always fine
	return addr
}

func (d *door) open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.lines)
}

// introduce lets handlers find the connection that a request came on.
func (d *door) introduce(ctx context.Context, conn net.Conn) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return context.WithValue(ctx, lineKey{}, d.lines[conn])
}

// watch strikes closed connections from the book.
func (d *door) watch(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lines, conn)
}
