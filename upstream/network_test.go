package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"

	"github.com/prometheus/client_golang/prometheus"
)

// The tests of this file are about the transport of our own: they need sockets.

func TestNetwork_KeepsItsConnection(t *testing.T) {
	c, s := serve(t, pass)
	for range 200 {
		if v, err := c.Verify(t.Context(), webTicket()); err != nil || v.Outcome != captcha.Passed {
			t.Fatal(v, err)
		}
	}
	if n := s.opened.Load(); n != 1 {
		t.Errorf("200 calls used %d connections, want 1", n)
	}
}

func TestNetwork_CloseDropsIdleConnections(t *testing.T) {
	c, s := serve(t, pass)
	if _, err := c.Verify(t.Context(), webTicket()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-s.closed // for ever, where the connection stays open
}

// A call that was written and not answered is the API's; one that is given up before the
// system took it is not, though its transport had begun with it. O2
func TestNetwork_KnowsWhatWasWritten(t *testing.T) {
	for name, row := range map[string]struct {
		deaf   bool
		unsent bool
	}{"hangs": {}, "never taken": {deaf: true, unsent: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "192.0.2.1")
				w.hosts["192.0.2.1"].handler = hang
				c := newClientAt(t, "http://captcha.example", nil, prometheus.NewRegistry())
				c.DialWith(func(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
					if row.deaf { // nobody reads, so a pipe takes nothing
						client, _ := net.Pipe()
						return client, nil
					}
					return w.dial(ctx, at)
				}, w.resolve)
				f := failureOf(t, attempt(t.Context(), c, false))
				if f.Kind != captcha.Fault || !f.Unanswered || f.Unsent() != row.unsent || f.FateUnknown == row.unsent {
					t.Errorf("%+v, unsent %v", f, f.Unsent())
				}
				if _, counts := captcha.See(time.Now(), f, true); counts == row.unsent {
					t.Errorf("it counts: %v", counts)
				}
				c.Close()
			})
		})
	}
}

func TestNetwork_HangIsCutByTheContext(t *testing.T) {
	c, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Minute):
		case <-r.Context().Done():
		}
	})
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Verify(ctx, webTicket())
	if f := failureOf(t, err); f.Kind != captcha.Fault || !errors.Is(f, context.DeadlineExceeded) {
		t.Errorf("failure is %v", f)
	}
	if took := time.Since(began); took < 50*time.Millisecond || took >= 30*time.Second { // as long as a call without a deadline
		t.Errorf("took %v, want 50 ms", took)
	}
}

func TestNetwork_CallerWhoLeavesAfterTheRequestWasSent(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	c, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		leave()
		<-r.Context().Done()
	})
	_, err := c.Verify(ctx, webTicket())
	goneAfter.check(t, err)
}

func TestNetwork_FaultsOfAServer(t *testing.T) {
	hijack := func(w http.ResponseWriter) *net.TCPConn {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		return conn.(*net.TCPConn)
	}
	rows := []struct {
		name, says string
		handler    http.HandlerFunc
	}{
		{"502 with html", "502", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html><h1>502 Bad Gateway</h1></html>")
		}},
		{"reset after the request", "reset", func(w http.ResponseWriter, _ *http.Request) {
			conn := hijack(w)
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}},
		{"closed after the request", "closed before", func(w http.ResponseWriter, _ *http.Request) { _ = hijack(w).Close() }},
		{"half a body", "closed before", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(passes)))
			_, _ = io.WriteString(w, passes[:len(passes)/2])
		}},
		{"not HTTP", "exchange failed", func(w http.ResponseWriter, _ *http.Request) {
			conn := hijack(w)
			_, _ = io.WriteString(conn, "SSH-2.0-whatever "+ticketValue+"\r\n")
			_ = conn.Close()
		}},
		{"endless body", "1 MiB", func(w http.ResponseWriter, _ *http.Request) {
			for chunk := strings.Repeat(" ", 64<<10); ; {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c, s := serve(t, row.handler)
			_, err := c.Verify(t.Context(), webTicket())
			if f := fault.check(t, err); !strings.Contains(f.Error(), row.says) || strings.Contains(f.Error(), ticketValue) {
				t.Errorf("error is %q", f)
			}
			if n := s.calls.Load(); n != 1 {
				t.Errorf("asked %d times, want once", n)
			}
		})
	}
}

// A redirect would carry the ticket and the AppSecretKey to another address.
func TestNetwork_DoesNotFollowRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			_, elsewhere := serve(t, pass)
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, elsewhere.URL, status)
			})
			_, err := c.Verify(t.Context(), webTicket())
			if f := fault.check(t, err); !strings.Contains(f.Error(), fmt.Sprint(status)) {
				t.Errorf("error %q does not name the status", f)
			}
			if n := elsewhere.calls.Load(); n != 0 {
				t.Errorf("the other address was asked %d times", n)
			}
		})
	}
}

func TestNetwork_RefusedConnectionNeverArrives(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	c := newClientAt(t, "http://"+l.Addr().String(), nil, prometheus.NewRegistry())
	_, err = c.Verify(t.Context(), webTicket())
	neverArrived.check(t, err)
}

// An API that takes connections and is silent when TLS is to begin did not answer: each call
// that meets that is a failure, of a user or a probe's, once. Where we stood still ourselves
// meanwhile nobody knows. O2
func TestNetwork_SilentHandshakesAreFailures(t *testing.T) {
	for name, row := range map[string]struct {
		fresh   bool
		overdue time.Duration // for so long the end of each connection is noticed late
		counts  int
	}{"users'": {counts: 50}, "probes'": {fresh: true, counts: 50}, "beside our own standstill": {fresh: true, overdue: 400 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClientAt(t, "https://192.0.2.1", nil, prometheus.NewRegistry())
				c.DialWith(func(context.Context, netip.AddrPort) (net.Conn, error) {
					client, server := net.Pipe()
					go func() { _, _ = io.Copy(io.Discard, server) }()
					return &lateToClose{Conn: client, by: row.overdue}, nil
				}, nil)
				counted := 0
				for range 50 {
					began := time.Now()
					f := neverArrived.check(t, attempt(t.Context(), c, row.fresh))
					if took := time.Since(began); !f.Unanswered || f.Connecting || took != 1500*time.Millisecond+row.overdue {
						t.Fatalf("%+v after %v", f, took)
					}
					if s, counts := captcha.See(began, f, false); counts && s.Failed && s.Unanswered {
						counted++
					}
				}
				if counted != row.counts {
					t.Errorf("%d of 50 calls count, want %d", counted, row.counts)
				}
				c.Close()
			})
		})
	}
}

// A lateToClose is a connection whose end takes a while, as where the process stands still.
type lateToClose struct {
	net.Conn

	by     time.Duration
	closed atomic.Bool
}

func (c *lateToClose) Close() error {
	if !c.closed.Swap(true) {
		time.Sleep(c.by)
	}
	return c.Conn.Close()
}

// A listener that never accepts TLS: the time runs out before there is a
// connection to send on.
func TestNetwork_DeadlineBeforeTheHandshakeNeverArrives(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := newClientAt(t, "https://"+l.Addr().String(), nil, prometheus.NewRegistry())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Verify(ctx, webTicket())
	neverArrived.check(t, err)

	ctx, giveUp := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, giveUp)
	_, err = c.Verify(ctx, webTicket())
	goneBefore.check(t, err)
}
