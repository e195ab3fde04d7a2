package connlimit_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"captchagate/connlimit"
)

// BenchmarkServe is what a request costs the server on a connection that nobody
// wants to cut, over connections in memory: without a limit and with one.
func BenchmarkServe(b *testing.B) {
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	serve := map[string]func(net.Listener) error{
		"plain": func(l net.Listener) error { return (&http.Server{Handler: h, ReadTimeout: patience}).Serve(l) },
		"limited": func(l net.Listener) error {
			return connlimit.New(10_000, nil).Serve(&http.Server{ReadTimeout: patience}, l, h)
		},
	}
	for _, conns := range []int{1, 64} {
		for _, name := range []string{"plain", "limited"} {
			b.Run(fmt.Sprintf("%s/conns=%d", name, conns), func(b *testing.B) {
				b.ReportAllocs()
				var over sync.WaitGroup
				over.Add(conns)
				l := newMemory(conns)
				for i := range conns {
					l.queue <- &memConn{requests: b.N/conns + 1, from: i, end: over.Done}
				}
				b.ResetTimer()
				ended := make(chan error, 1)
				go func() { ended <- serve[name](l) }()
				over.Wait()
				b.StopTimer()
				_ = l.Close()
				<-ended
			})
		}
	}
}

// BenchmarkServe_Full is what a new connection costs while 10,000 idle ones fill
// the house, all from one address or each from its own.
func BenchmarkServe_Full(b *testing.B) {
	const full = 10_000
	for _, addresses := range []int{1, full} {
		b.Run(fmt.Sprintf("addresses=%d", addresses), func(b *testing.B) {
			l := newMemory(1)
			ended := make(chan error, 1)
			server := &http.Server{ReadTimeout: patience}
			limiter := connlimit.New(full, nil)
			go func() { ended <- limiter.Serve(server, l, http.NotFoundHandler()) }()
			for i := range full {
				l.queue <- newIdle(i % addresses)
			}
			b.ResetTimer()
			for i := range b.N {
				l.queue <- newIdle(i % addresses)
			}
			b.StopTimer()
			_ = server.Close()
			<-ended
		})
	}
}

// A memory is a listener whose connections come from a channel.
type memory struct {
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory(n int) *memory {
	return &memory{queue: make(chan net.Conn, n), closed: make(chan struct{})}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.queue:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.TCPAddr{} }

// A memConn brings a number of requests, one a Read.
type memConn struct {
	requests, from int
	rest           string
	end            func()
	once           sync.Once
}

func (c *memConn) Read(p []byte) (int, error) {
	if c.rest == "" {
		if c.requests == 0 {
			return 0, io.EOF
		}
		c.requests--
		c.rest = "POST / HTTP/1.1\r\nHost: door\r\nContent-Length: 4\r\n\r\nbody"
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *memConn) Write(p []byte) (int, error) { return len(p), nil }

func (c *memConn) Close() error {
	c.once.Do(c.end)
	return nil
}

func (c *memConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *memConn) RemoteAddr() net.Addr             { return memAddr(c.from) }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

func memAddr(i int) net.Addr {
	return &net.TCPAddr{IP: net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)), Port: 1}
}

// An idleConn brings nothing until it is closed.
type idleConn struct {
	memConn
	closed chan struct{}
}

func newIdle(from int) *idleConn {
	c := &idleConn{closed: make(chan struct{})}
	c.from, c.end = from, func() { close(c.closed) }
	return c
}

func (c *idleConn) Read([]byte) (int, error) {
	<-c.closed
	return 0, io.EOF
}
