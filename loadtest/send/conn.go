// Package send puts requests on the wire when their time has come, whatever
// became of those before: a clock that wakes in time, and plain keep-alive
// connections. It reaches addresses of loopback only.
package send

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Loopback is an error unless address is HOST:PORT of this machine's loopback:
// a generator of load must not reach anybody else.
func Loopback(address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().IsLoopback() || a.Port() == 0 {
		return fmt.Errorf("%q is no address of loopback with a port, such as 127.0.0.1:8080; a load test reaches this machine only", address)
	}
	return nil
}

// A Request is a POST of JSON to the host "127.0.0.1".
type Request struct {
	Path      string
	Key       string // Idempotency-Key; "" = none
	Header    string // more of it, as on the wire: "Name: value\r\n" of each
	Body      []byte
	Deadline  time.Time     // for all of it
	BodyDelay time.Duration // how long the second half of the body lags behind the first; 0 = it does not
}

// A Conn is one connection with one request on it at a time.
type Conn struct {
	conn net.Conn
	r    *bufio.Reader
	out  []byte
	done bool // the other side takes no more requests on it
}

// Post sends a request and returns the status and the answer's body. After an
// error the connection is of no more use.
func (c *Conn) Post(r Request) (status int, body []byte, err error) {
	if err := c.conn.SetDeadline(r.Deadline); err != nil {
		return 0, nil, err
	}
	c.out = appendRequest(c.out[:0], r)
	first := len(c.out)
	if r.BodyDelay > 0 {
		first -= len(r.Body) / 2
	}
	if _, err := c.conn.Write(c.out[:first]); err != nil {
		return 0, nil, err
	}
	if r.BodyDelay > 0 {
		<-time.After(r.BodyDelay)
		if _, err := c.conn.Write(c.out[first:]); err != nil {
			return 0, nil, err
		}
	}
	answer, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	c.done = answer.Close
	return answer.StatusCode, body, err
}

func appendRequest(b []byte, r Request) []byte {
	b = append(b, "POST "...)
	b = append(b, r.Path...)
	b = append(b, " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(r.Body)), 10)
	if r.Key != "" {
		b = append(b, "\r\nIdempotency-Key: "...)
		b = append(b, r.Key...)
	}
	b = append(b, "\r\n"...)
	b = append(b, r.Header...)
	b = append(b, "\r\n"...)
	return append(b, r.Body...)
}

// errUnreached says that there was no connection, and so nothing was sent.
var errUnreached = errors.New("no connection")

// Close closes the connection.
func (c *Conn) Close() { _ = c.conn.Close() }

// A Pool keeps connections to one address that nobody uses, and opens another
// if there is none: no request waits for an earlier one. The zero value with
// an Address is ready.
type Pool struct {
	Address string

	mu         sync.Mutex
	generation int // rises when all connections are given up
	free       []*Conn
}

// Do sends a request on a connection of its own.
func (p *Pool) Do(ctx context.Context, r Request) (status int, body []byte, err error) {
	c, generation, err := p.get(ctx, r.Deadline)
	if err != nil {
		return 0, nil, err
	}
	stop := context.AfterFunc(ctx, c.Close)
	status, body, err = c.Post(r)
	if !stop() || err != nil || c.done {
		c.Close()
		return status, body, err
	}
	p.put(c, generation)
	return status, body, nil
}

func (p *Pool) get(ctx context.Context, deadline time.Time) (*Conn, int, error) {
	p.mu.Lock()
	generation := p.generation
	if n := len(p.free); n > 0 {
		c := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return c, generation, nil
	}
	p.mu.Unlock()
	if err := Loopback(p.Address); err != nil {
		return nil, 0, err
	}
	dialer := net.Dialer{Deadline: deadline}
	conn, err := dialer.DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errUnreached, err)
	}
	return &Conn{conn: conn, r: bufio.NewReaderSize(conn, 4<<10)}, generation, nil
}

func (p *Pool) put(c *Conn, generation int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if generation != p.generation {
		c.Close()
		return
	}
	p.free = append(p.free, c)
}

// Forget gives up the connections that nobody uses: what they led to is no
// more.
func (p *Pool) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generation++
	for _, c := range p.free {
		c.Close()
	}
	p.free = nil
}
