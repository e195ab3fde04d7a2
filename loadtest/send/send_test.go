package send_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/loadtest/send"
)

func TestLoopback_RefusesEverywhereElse(t *testing.T) {
	for address, fine := range map[string]bool{
		"127.0.0.1:8080": true, "127.9.9.9:1": true, "[::1]:80": true,
		"": false, "127.0.0.1": false, "127.0.0.1:0": false, "10.0.0.1:80": false, "0.0.0.0:80": false,
		"[::]:80": false, "example.com:80": false, "localhost:80": false, "127.0.0.1.example.com:80": false,
	} {
		if err := send.Loopback(address); (err == nil) != fine {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// Nothing leaves before its time, all in order, and none is left out.
func TestOnTime_CallsEachOnceAndNeverEarly(t *testing.T) {
	times := make([]time.Duration, 100)
	for i := range times {
		times[i] = time.Duration(i) * 300 * time.Microsecond
	}
	start, next := time.Now(), 0
	send.OnTime(t.Context(), start, times, func(n int) {
		if n != next {
			t.Errorf("the %d-th came as the %d-th", n, next)
		}
		if early := times[n] - time.Since(start); early > 0 {
			t.Errorf("the %d-th came %v early", n, early)
		}
		next++
	})
	if next != len(times) {
		t.Errorf("%d of %d came", next, len(times))
	}
}

func TestOnTime_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	send.OnTime(ctx, time.Now(), []time.Duration{0, time.Millisecond, time.Hour}, func(int) {
		if calls++; calls == 2 {
			cancel()
		}
	})
	if calls != 2 {
		t.Errorf("%d calls, want 2", calls)
	}
}

// A door is a server that counts connections and answers as it is told.
type door struct {
	*httptest.Server
	connections atomic.Int32
}

func open(t *testing.T, h http.HandlerFunc) *door {
	t.Helper()
	d := &door{Server: httptest.NewUnstartedServer(h)}
	d.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			d.connections.Add(1)
		}
	}
	d.Start()
	t.Cleanup(d.Close)
	return d
}

func (d *door) pool() *send.Pool { return &send.Pool{Address: d.Listener.Addr().String()} }

func soon() time.Time { return time.Now().Add(10 * time.Second) }

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %s", r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"), body)
}

func TestPool_KeepsItsConnections(t *testing.T) {
	d := open(t, echo)
	p := d.pool()
	defer p.Forget()
	for range 20 {
		status, body, err := p.Do(t.Context(), send.Request{Path: "/v1/verify", Key: "k", Body: []byte(`{"a":1}`), Deadline: soon()})
		if err != nil || status != http.StatusOK || string(body) != `/v1/verify application/json k {"a":1}` {
			t.Fatalf("%d %s, %v", status, body, err)
		}
	}
	if n := d.connections.Load(); n != 1 {
		t.Errorf("20 requests in a row took %d connections, want 1", n)
	}
	p.Forget()
	if _, _, err := p.Do(t.Context(), send.Request{Path: "/", Deadline: soon()}); err != nil || d.connections.Load() != 2 {
		t.Errorf("after Forget: %v, %d connections, want a second", err, d.connections.Load())
	}
}

func TestPool_ReadsLongAnswersAndClosedConnections(t *testing.T) {
	long := strings.Repeat("x", 50_000)
	d := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/last" {
			w.Header().Set("Connection", "close")
		}
		_, _ = io.WriteString(w, long)
	})
	p := d.pool()
	defer p.Forget()
	for _, path := range []string{"/long", "/last", "/long"} {
		status, body, err := p.Do(t.Context(), send.Request{Path: path, Deadline: soon()})
		if err != nil || status != http.StatusOK || string(body) != long {
			t.Fatalf("%s: %d, %d bytes, %v", path, status, len(body), err)
		}
	}
	if n := d.connections.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

func TestPool_OpensAsManyAsWait(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	d := open(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release })
	p := d.pool()
	defer p.Forget()
	ended := make(chan error)
	for range 5 {
		go func() {
			_, _, err := p.Do(t.Context(), send.Request{Path: "/", Deadline: soon()})
			ended <- err
		}()
	}
	for range 5 {
		<-arrived
	}
	close(release)
	for range 5 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestPool_GivesUpAtTheDeadlineAndWithItsContext(t *testing.T) {
	d := open(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := d.pool()
	defer p.Forget()
	began := time.Now()
	if _, _, err := p.Do(t.Context(), send.Request{Path: "/", Deadline: began.Add(30 * time.Millisecond)}); err == nil {
		t.Error("an answer came from one that never answers")
	}
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("it gave up after %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, _, err := p.Do(ctx, send.Request{Path: "/", Deadline: soon()}); err == nil {
		t.Error("an answer came after the context's end")
	}
}

func TestPool_SendsSlowlyWhereAsked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gap := make(chan time.Duration, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		r, err := http.ReadRequest(bufio.NewReaderSize(conn, 16)) // small, so that it waits within the body
		began := time.Now()
		if err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		gap <- time.Since(began)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}()
	p := send.Pool{Address: l.Addr().String()}
	defer p.Forget()
	const slowly = 50 * time.Millisecond
	if _, _, err := p.Do(t.Context(), send.Request{Path: "/", Body: []byte(strings.Repeat("x", 100)), BodyDelay: slowly, Deadline: soon()}); err != nil {
		t.Fatal(err)
	}
	if got := <-gap; got < slowly/2 {
		t.Errorf("the body was there within %v, want about %v", got, slowly)
	}
}

func TestPool_ReachesLoopbackOnly(t *testing.T) {
	p := send.Pool{Address: "192.0.2.1:80"}
	if _, _, err := p.Do(t.Context(), send.Request{Path: "/", Deadline: soon()}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v", err)
	}
}

// Requests go round by weight; who takes no connection more is tried once, nobody's
// request is lost by it, and it gets none until it is ready.
func TestBalancer_SpreadsAndLosesWhoIsGone(t *testing.T) {
	var got [3]atomic.Int32
	var doors []*door
	var addresses []string
	for i := range got {
		d := open(t, func(http.ResponseWriter, *http.Request) { got[i].Add(1) })
		doors, addresses = append(doors, d), append(addresses, d.Listener.Addr().String())
	}
	b := send.NewBalancer(addresses, []float64{3, 2, 1})
	defer b.Forget()
	ask := func(n int) {
		for range n {
			if at, status, _, err := b.Do(t.Context(), send.Request{Path: "/", Deadline: time.Now().Add(time.Minute)}); err != nil || status != http.StatusOK {
				t.Errorf("instance %d answered %d, %v", at, status, err)
			}
		}
	}
	want := func(counts ...int32) {
		t.Helper()
		for i, n := range counts {
			if got[i].Swap(0) != n {
				t.Errorf("instance %d did not get %d requests", i, n)
			}
		}
	}
	ask(60)
	want(30, 20, 10)
	doors[1].Close()
	b.Lose(1) // its connections were seen to end
	b.Ready(1)
	ask(40)
	if !b.IsOut(1) {
		t.Error("who takes no connection is still in")
	}
	want(30, 0, 10)
}

// A request that had reached an instance is not sent again: nobody knows what became
// of it. A caller that leaves takes nobody out.
func TestBalancer_RepeatsNothingThatArrived(t *testing.T) {
	var asked atomic.Int32
	ctx, leave := context.WithCancel(t.Context())
	cut := open(t, func(http.ResponseWriter, *http.Request) { asked.Add(1); panic(http.ErrAbortHandler) })
	stuck := open(t, func(_ http.ResponseWriter, r *http.Request) { asked.Add(1); leave(); <-r.Context().Done() })
	b := send.NewBalancer([]string{cut.Listener.Addr().String(), stuck.Listener.Addr().String()}, nil)
	defer b.Forget()
	for i := range 2 {
		if at, _, _, err := b.Do(ctx, send.Request{Path: "/", Deadline: time.Now().Add(time.Minute)}); err == nil || at != i {
			t.Errorf("the request went to %d: %v", at, err)
		}
	}
	if asked.Load() != 2 || !b.IsOut(0) || b.IsOut(1) {
		t.Errorf("%d requests arrived, the broken one is out: %t, the slow one: %t", asked.Load(), b.IsOut(0), b.IsOut(1))
	}
}
