package upstream

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"captchagate/captcha"
)

const (
	connectTimeout = time.Second            // until one of the addresses is connected to
	connectStagger = 250 * time.Millisecond // before another is tried beside it
	maxConnects    = 4                      // at once for one connection, if it has fewer addresses
)

// A dialer connects to one of the addresses of a name, whichever is there
// first, and remembers those that were not.
type dialer struct {
	resolver resolver
	dial     func(ctx context.Context, at netip.AddrPort) (net.Conn, error)

	mu        sync.Mutex
	addresses addresses
}

// newDialer returns a dialer whose lookups end with life.
func newDialer(life context.Context) *dialer {
	// Dead connections that nobody uses are noticed within some eight seconds.
	tcp := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 3,
	}}
	return &dialer{
		resolver:  resolver{life: life, lookup: net.DefaultResolver.LookupNetIP, names: map[string]*lookups{}},
		addresses: addresses{known: map[netip.AddrPort]*address{}},
		dial: func(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
			return tcp.DialContext(ctx, "tcp", at.String())
		},
	}
}

// reached is the connection that a dial under the context opens, and where it leads to.
type reached struct {
	at   netip.AddrPort
	wire *wire
}

type reachedKey struct{}

// DialContext opens a connection to host:port for the transport.
func (d *dialer) DialContext(ctx context.Context, _, hostPort string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, err
	}
	found, err := d.resolver.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	order := d.addresses.order(found, uint16(port), time.Now())
	d.mu.Unlock()
	conn, at, err := d.race(ctx, order)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn}
	if to, ok := ctx.Value(reachedKey{}).(*reached); ok {
		to.at, to.wire = at, w
	}
	return w, nil
}

// A connected is how one of those that race ended.
type connected struct {
	n    int // counted in the order of their beginnings
	conn net.Conn
	err  error
}

// race tries the addresses in their order: the next one at once if one fails,
// and beside it if it takes long. An address that a later one overtook counts as
// failed: it may lead nowhere. Where there are few, each is tried more than
// once, because one packet may be lost.
func (d *dialer) race(ctx context.Context, order []netip.AddrPort) (net.Conn, netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	results := make(chan connected, max(len(order), maxConnects))
	open, err := []bool{}, error(nil)
	start := func() {
		n := len(open)
		open = append(open, true)
		go func() {
			conn, err := d.dial(ctx, order[n%len(order)])
			results <- connected{n, conn, err}
		}()
	}
	start()
	next := time.NewTimer(connectStagger)
	defer next.Stop()
	for slices.Contains(open, true) {
		select {
		case r := <-results:
			open[r.n] = false
			if r.err == nil {
				d.overtaken(order, open[:r.n], order[r.n%len(order)])
				go closeRest(results, open)
				return r.conn, order[r.n%len(order)], nil
			}
			err = d.missed(order[r.n%len(order)], r.err, err)
			if len(open) >= len(order) {
				continue
			}
		case <-next.C:
			if len(open) == cap(results) {
				continue
			}
		}
		start()
		next.Reset(connectStagger)
	}
	return nil, netip.AddrPort{}, err
}

// overtaken notes the failure of the addresses that are still being tried,
// though they were begun before the one that was reached.
func (d *dialer) overtaken(order []netip.AddrPort, earlier []bool, by netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, pending := range earlier {
		if at := order[n%len(order)]; pending && at != by {
			d.addresses.get(at).failed(time.Now())
		}
	}
}

// missed notes that an address could not be connected to and returns the error
// that tells most: the first one, but trouble of our own only if there is no
// other.
func (d *dialer) missed(at netip.AddrPort, err, before error) error {
	kind, local := captcha.LocalTrouble(err)
	ours := local && kind != "ports" // no port may mean that no address of ours leads there
	if !ours && !errors.Is(err, context.Canceled) {
		d.mu.Lock()
		d.addresses.get(at).failed(time.Now())
		d.mu.Unlock()
	}
	if _, wasLocal := captcha.LocalTrouble(before); wasLocal && !local {
		return err
	}
	return cmp.Or(before, err)
}

// closeRest closes the connections that come too late.
func closeRest(results <-chan connected, open []bool) {
	for _, pending := range open {
		if !pending {
			continue
		}
		if r := <-results; r.err == nil {
			_ = r.conn.Close()
		}
	}
}
