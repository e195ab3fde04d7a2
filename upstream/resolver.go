package upstream

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	lookupTimeout  = 3 * time.Second        // of one lookup
	lookupPatience = 200 * time.Millisecond // with one, while an earlier answer stands
	maxAddresses   = 32                     // of one name
)

// A resolver looks names up, anew for each connection. If a lookup fails, or
// takes long, the last good answer stands: addresses move rarely, and resolvers
// fail more often than the API does.
type resolver struct {
	life   context.Context // lookups outlive the calls that ask for them, but not this
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu    sync.Mutex
	names map[string]*lookups // few: the API's, or its proxy's
}

// lookups are those of one name. There is one at a time, which all share who
// connect meanwhile.
type lookups struct {
	last    []netip.Addr // of the last one that succeeded
	running *lookup
}

type lookup struct {
	began time.Time
	done  chan struct{} // closed at the end
	err   error         // to be read once done
}

// resolve returns the addresses of host, at least one.
func (r *resolver) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	running, known := r.join(host)
	var patience <-chan time.Time
	if known {
		patience = time.After(time.Until(running.began.Add(lookupPatience)))
	}
	var err error
	select {
	case <-running.done:
		err = running.err
	case <-patience:
	case <-ctx.Done():
		err = ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if last := r.names[host].last; len(last) > 0 {
		return last, nil
	}
	return nil, err
}

// join returns the lookup of host that is running, or else begins one, and
// whether an earlier answer is known.
func (r *resolver) join(host string) (running *lookup, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.names[host]
	if n == nil {
		n = new(lookups)
		r.names[host] = n
	}
	if n.running == nil {
		n.running = &lookup{began: time.Now(), done: make(chan struct{})}
		go r.run(n, n.running, host)
	}
	return n.running, len(n.last) > 0
}

func (r *resolver) run(n *lookups, l *lookup, host string) {
	ctx, cancel := context.WithTimeout(r.life, lookupTimeout)
	defer cancel()
	found, err := r.lookup(ctx, "ip", host)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && len(found) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	if l.err = err; err == nil {
		n.last = found[:min(len(found), maxAddresses)]
	}
	n.running = nil
	close(l.done)
}
