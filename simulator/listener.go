package simulator

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// relistenEvery is the pause between attempts to have an address back that
// somebody else took while connections were refused.
const relistenEvery = 50 * time.Millisecond

// A listener refuses connections for real: while the fault says so, nothing
// listens on the address, and connect() fails. It reads the simulator's fault;
// applyFault makes it look again at once.
type listener struct {
	sim     *Simulator
	address string        // with the port that was given
	number  int           // of the address, from 1; 0 = for the controls, where no fault of the network reaches
	closing chan struct{} // closed when Serve begins to shut down
	changed chan struct{} // wakes Accept when inner was replaced

	mu     sync.Mutex
	inner  net.Listener // nil while refusing
	closed bool
	hole   *hole                   // in place of inner while the address is a black hole
	turn   int                     // connections so far
	conns  map[net.Conn]*connState // open ones
}

func (s *Simulator) listen(address string) (*listener, error) {
	inner, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("simulator: cannot listen on %q: %w; free the address or give another", address, err)
	}
	return &listener{
		sim: s, address: inner.Addr().String(), inner: inner,
		closing: make(chan struct{}), changed: make(chan struct{}, 1),
		conns: map[net.Conn]*connState{},
	}, nil
}

// Accept implements net.Listener, across all listeners that the address has.
func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, wait, err := l.current()
		switch {
		case err != nil:
			return nil, err
		case inner == nil:
			l.waitForChange(wait)
			continue
		}
		accepted, err := inner.Accept()
		if err != nil {
			if l.isCurrent(inner) {
				return nil, err
			}
			continue // closed under us to refuse, or for good
		}
		conn := l.road(accepted)
		if l.track(inner, conn) {
			return conn, nil
		}
		l.sim.stats.refuse()
		closeHard(conn)
	}
}

// current is the listener as the fault wants it, or how long to wait for one.
func (l *listener) current() (net.Listener, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, 0, net.ErrClosed
	}
	wait := l.adjust()
	return l.inner, wait, nil
}

// applyFault refuses or accepts as the fault in force wants, at once.
func (l *listener) applyFault() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.adjust()
	l.wake()
}

func (l *listener) wake() {
	select {
	case l.changed <- struct{}{}:
	default: // Accept will wake anyway
	}
}

// adjust refuses, is a black hole or listens; it returns how long it does one
// of the first two by itself.
func (l *listener) adjust() time.Duration {
	now := time.Now()
	fault := l.sim.current(now)
	if l.number > 0 && slices.Contains(l.sim.network.Load().BlackHole, l.number) {
		return l.swallow()
	}
	if l.hole != nil {
		_ = l.hole.Close()
		l.hole = nil
	}
	if l.refuses(fault) && fault.share >= 1 {
		l.refuse()
		return fault.ends.Sub(now)
	}
	if l.inner != nil {
		return 0
	}
	inner, err := new(net.ListenConfig).Listen(context.Background(), "tcp", l.address)
	if err != nil {
		l.sim.log.Warn("cannot listen again after refusing connections; trying on", "address", l.address, "error", err)
		return relistenEvery
	}
	l.inner = inner
	return 0
}

func (l *listener) refuses(fault *activeFault) bool {
	return fault.kind == Refuse && l.number > 0 && fault.hits(l.number, 0)
}

// swallow makes the address a black hole; it returns when to look again.
func (l *listener) swallow() time.Duration {
	if l.hole != nil {
		return holeLook
	}
	if l.inner != nil {
		_ = l.inner.Close()
		l.inner = nil
		l.forgetAll()
	}
	var err error
	if l.hole, err = dig(l.address); err != nil {
		l.sim.log.Warn("the address cannot be made a black hole; trying on", "address", l.address, "error", err)
		return relistenEvery
	}
	return holeLook
}

// forget has all connections forgotten but those of the controls.
func (l *listener) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.number > 0 {
		l.forgetAll()
	}
}

// forgetAll is forget with the lock held.
func (l *listener) forgetAll() {
	for conn, state := range l.conns {
		if f, ok := conn.(*flow); ok && !state.control.Load() {
			f.forgotten.Store(true)
		}
	}
}

// road is the connection with what lies between.
func (l *listener) road(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok || l.number == 0 {
		return conn
	}
	return newFlow(tcp, l.sim.cfg.RoundTrip)
}

// secured is the listener with TLS above it, if the API has it.
func (l *listener) secured() net.Listener {
	if l.number == 0 || l.sim.cfg.TLS == nil {
		return l
	}
	return tls.NewListener(l, l.sim.cfg.TLS)
}

func (l *listener) refuse() {
	if l.inner == nil {
		return
	}
	_ = l.inner.Close()
	l.inner = nil
	for conn, state := range l.conns {
		if !state.control.Load() {
			closeHard(conn)
		}
	}
}

func (l *listener) waitForChange(limit time.Duration) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.changed:
	}
}

func (l *listener) isCurrent(inner net.Listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed && l.inner == inner
}

// track keeps a new connection in conns, unless connections are refused since it
// came, or it is in the share that is refused.
func (l *listener) track(inner net.Listener, conn net.Conn) bool {
	fault := l.sim.current(time.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.inner != inner || l.refuses(fault) && l.sim.random.chance(fault.share) {
		return false
	}
	l.conns[conn] = &connState{listener: l, n: l.turn}
	l.turn++
	return true
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.wake()
	if l.hole != nil {
		_ = l.hole.Close()
		l.hole = nil
	}
	if l.inner == nil {
		return nil
	}
	err := l.inner.Close()
	l.inner = nil
	return err
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr {
	addr, _ := net.ResolveTCPAddr("tcp", l.address) // written by a listener: always fine
	return addr
}
