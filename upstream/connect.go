package upstream

import (
	"context"
	"errors"
	"time"
)

const (
	// maxConnecting bounds the making of one connection: lookup, connect and TLS.
	maxConnecting = 1500 * time.Millisecond

	// maxOverdue is how much later than that it may end. Only what stood still itself,
	// or nearly, ends later yet.
	maxOverdue = 250 * time.Millisecond
)

// errUnreachable says that no connection stood for a second: as good as
// refused.
var errUnreachable = errors.New("no address of the API could be connected to")

// errHandshake says that the API, or the proxy before it, took a connection and was
// silent when TLS was to begin: it did not answer, though nothing was sent yet.
var errHandshake = errors.New("the API could be connected to, but the TLS handshake got no answer in time")

// A connectingError says that a call's time ended while it waited for a
// connection, which others got: it says nothing about the API.
type connectingError struct{ error }

// Unwrap returns how the time ended.
func (e connectingError) Unwrap() error { return e.error }

// makeOne makes a connection. It is nobody's in particular: whoever waits
// longest gets it, or gets to know why there is none.
func (p *pool) makeOne() {
	ctx, cancel := context.WithTimeout(p.life, maxConnecting)
	defer cancel()
	c, err := p.open(ctx)
	p.mu.Lock()
	defer p.unlock()
	p.connecting--
	if err == nil {
		p.keep(c)
		return
	}
	if len(p.waiting) > 0 {
		p.waiting[0].ready <- made{err: err}
		p.waiting = p.waiting[1:]
		p.connect()
	}
}

// open makes a connection.
func (p *pool) open(ctx context.Context) (*conn, error) {
	began, to := time.Now(), new(reached)
	c, err := p.transport.NewClientConn(context.WithValue(ctx, reachedKey{}, to), p.scheme, p.hostPort)
	p.metrics.connected(time.Since(began), err)
	p.mu.Lock()
	defer p.unlock()
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, err
	case to.at.IsValid(): // it was connected to, and then its TLS or the proxy failed
		p.dialer.addresses.get(to.at).failed(time.Now())
		if ctx.Err() != nil && time.Since(began) <= maxConnecting+maxOverdue {
			return nil, errHandshake
		}
		return nil, err
	case errors.Is(err, context.DeadlineExceeded):
		return nil, errUnreachable
	default:
		return nil, err
	}
	p.stood = time.Now()
	p.dialer.addresses.get(to.at).connections++
	n := newConn(p, c, to)
	n.generation = p.generation
	return n, nil
}

// takeFresh makes a connection that carries this call first.
func (p *pool) takeFresh(ctx context.Context) (carrier, error) {
	began := time.Now()
	dial, cancel := context.WithTimeout(ctx, maxConnecting)
	defer cancel()
	c, err := p.open(dial)
	p.mu.Lock()
	defer p.unlock()
	switch {
	case err == nil:
		p.use()
		return c, nil
	case ctx.Err() != nil:
		return nil, p.late(ctx, began)
	}
	return nil, err
}

// The methods above take the lock, those below are called with it held.

// connect begins to make a connection unless as many are being made as calls
// wait.
func (p *pool) connect() {
	if p.connecting >= len(p.waiting) {
		return
	}
	p.connecting++
	go p.makeOne()
}

// late is the error of a call whose time ended while it waited for a connection
// since began.
func (p *pool) late(ctx context.Context, began time.Time) error {
	if since := time.Now().Add(-connectTimeout); errors.Is(context.Cause(ctx), context.DeadlineExceeded) && !began.After(since) && !p.stood.After(since) {
		return errUnreachable
	}
	return connectingError{context.Cause(ctx)}
}
