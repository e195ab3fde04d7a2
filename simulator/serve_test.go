package simulator_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"captchagate/simulator"
)

// countDials counts the connections that a client opens.
func countDials(tr *http.Transport) *int {
	dials := new(int)
	dialer := &net.Dialer{}
	tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		*dials++
		return dialer.DialContext(ctx, network, address)
	}
	return dials
}

func TestServe_KeepsConnectionsAlive(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	base, client := listen(t, s), keepAlive(t)
	dials := countDials(client)
	for _, kind := range []simulator.Kind{
		simulator.None, simulator.InternalError, simulator.CaptchaCode26, simulator.HTTP502,
		simulator.Garbage, simulator.Empty, simulator.Throttle,
	} {
		set(t, s, simulator.Fault{Kind: kind})
		got := send(client, request(t.Context(), base, web, callFor(issue(t, s, "valid"))))
		if got.header.Get("Content-Length") == "" || got.header.Get("Server") != "captcha-simulator" {
			t.Errorf("%s: headers are %v", kind, got.header)
		}
	}
	if *dials != 1 {
		t.Errorf("%d connections were opened for whole answers, want 1", *dials)
	}
	if open := s.Stats().OpenConnections; open != 1 {
		t.Errorf("%d connections are said to be open, want 1", open)
	}
}

func TestServe_RefusesForRealUntilTheControlConnectionLiftsIt(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	base, caller, controls := listen(t, s), keepAlive(t), keepAlive(t)
	if got := send(caller, request(t.Context(), base, web, callFor(issue(t, s, "valid")))).what(); got != "1" {
		t.Fatalf("healthy, the API says %s", got)
	}
	status, body := control(t, controls, http.MethodPut, base+"/_sim/fault", `{"kind":"refuse"}`)
	if status != 200 || !strings.Contains(body, `"for":"1m0s"`) || !strings.Contains(body, "ends by itself") {
		t.Errorf("the answer to PUT is %d: %s", status, body)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(base, "http://")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect() gives %v, want ECONNREFUSED", err)
	}
	if got := send(caller, request(t.Context(), base, web, callFor(issue(t, s, "valid")))); got.err == nil {
		t.Errorf("the API's open connection still answers %s", got.what())
	}
	if got := send(controls, request(t.Context(), base, web, callFor(issue(t, s, "valid")))); got.err == nil {
		t.Errorf("a call on the control connection is answered %s", got.what())
	}
	if got := send(caller, request(t.Context(), base, web, callFor(issue(t, s, "valid")))); !isRefused(got) {
		t.Errorf("a new call ends with %v, want a refused connection", got.err)
	}
}

func TestServe_DropsTheCallsUnderWayWhenItRefuses(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: time.Hour})
	base, caller, controls := listen(t, s), keepAlive(t), keepAlive(t)
	control(t, controls, http.MethodGet, base+"/_sim/stats", "")
	answered := make(chan result, 1)
	go func() {
		answered <- send(caller, request(t.Context(), base, web, callFor(simulator.Ticket{Ticket: "t", Randstr: "@r"})))
	}()
	for s.Stats().InFlight == 0 {
		<-time.After(time.Millisecond)
	}
	s.ResetStats()
	if got := s.Stats(); got.InFlight != 1 || got.MaxInFlight != 1 {
		t.Errorf("resetting the counts forgot the call under way: %+v", got)
	}
	control(t, controls, http.MethodPut, base+"/_sim/fault", `{"kind":"refuse"}`)
	if got := <-answered; got.err == nil { // else this waits an hour
		t.Errorf("the call under way was answered %s", got.what())
	}
	if _, body := control(t, controls, http.MethodGet, base+"/_sim/fault", ""); !strings.Contains(body, `"kind":"refuse"`) {
		t.Errorf("the control connection says %s", body)
	}
}

func TestServe_AcceptsAgainOnTheSameAddressAfterDelete(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	base, caller, controls := listen(t, s), keepAlive(t), keepAlive(t)
	for range 3 {
		control(t, controls, http.MethodPut, base+"/_sim/fault", `{"kind":"refuse"}`)
		if got := send(caller, request(t.Context(), base, web, callFor(issue(t, s, "valid")))); got.err == nil {
			t.Fatalf("while refusing, the API answers %s", got.what())
		}
		if status, body := control(t, controls, http.MethodDelete, base+"/_sim/fault", ""); status != 200 || !strings.Contains(body, `"kind":"none"`) {
			t.Fatalf("DELETE on the kept connection: %d %s", status, body)
		}
		if got := send(caller, request(t.Context(), base, web, callFor(issue(t, s, "valid")))); got.what() != "1" {
			t.Fatalf("after DELETE: %s, %v", got.what(), got.err)
		}
	}
}

func TestServe_AcceptsAgainWhenRefuseEndsByItself(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	address := strings.TrimPrefix(listen(t, s), "http://")
	for lasts := 100 * time.Millisecond; ; lasts *= 2 { // on a busy machine it may be over before anybody looks
		if lasts > time.Minute {
			t.Fatal("no connection was refused")
		}
		set(t, s, simulator.Fault{Kind: simulator.Refuse, For: lasts})
		if refusedUntilItEnds(t, address, lasts) {
			return
		}
	}
}

// refusedUntilItEnds connects until it can, and reports whether it could not at first.
func refusedUntilItEnds(t *testing.T, address string, lasts time.Duration) (refused bool) {
	t.Helper()
	for deadline := time.Now().Add(lasts + time.Minute); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return refused
		}
		refused = true
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens a minute after the fault's end: %v", err)
		}
		<-time.After(5 * time.Millisecond) // the clock of the network is the real one
	}
}

func TestServe_ResetsAShareOfNewConnections(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency, Seed: 7})
	base := listen(t, s)
	set(t, s, simulator.Fault{Kind: simulator.Refuse, Share: new(0.5)})
	failed := 0
	for range 100 {
		client := &http.Transport{DisableKeepAlives: true}
		if got := send(client, request(t.Context(), base, web, callFor(issue(t, s, "valid")))); got.err != nil {
			failed++
		} else if got.what() != "1" {
			t.Fatalf("an accepted connection gives %s", got.what())
		}
	}
	if failed < 30 || failed > 70 || s.Stats().Refused == 0 {
		t.Errorf("%d of 100 connections failed (counted: %d), want about half", failed, s.Stats().Refused)
	}
}

func TestServe_SaysWhyItCannotListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = simulator.New(simulator.Config{}).Serve(t.Context(), taken.Addr().String(), nil)
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("on a taken address Serve says %v", err)
	}
}

// It does not wait for calls that hang: 5 s, as it would for others. A busy machine may
// take as long as that once.
func TestServe_EndsWhileCallsHangAndWhileRefusing(t *testing.T) {
	for _, kind := range []simulator.Kind{simulator.Hang, simulator.Refuse} {
		took := endsWhile(t, kind)
		for range 3 {
			if took >= 4*time.Second {
				took = endsWhile(t, kind)
			}
		}
		if took >= 4*time.Second {
			t.Errorf("%s: Serve ended after %v", kind, took)
		}
	}
}

// endsWhile ends a simulator that has a call during a fault, and returns how long that
// took.
func endsWhile(t *testing.T, kind simulator.Kind) time.Duration {
	t.Helper()
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.Serve(ctx, "127.0.0.1:0", func(address string) { ready <- address }) }()
	base, client := "http://"+<-ready, keepAlive(t)
	set(t, s, simulator.Fault{Kind: kind})
	answered := make(chan result, 1)
	go func() { answered <- send(client, request(t.Context(), base, web, callFor(issue(t, s, "valid")))) }()
	if kind == simulator.Hang {
		for s.Stats().InFlight == 0 {
			<-time.After(time.Millisecond)
		}
	} else {
		<-answered
	}
	start := time.Now()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("%s: Serve ended with %v", kind, err)
	}
	if open := s.Stats().OpenConnections; open != 0 {
		t.Errorf("%s: %d connections left", kind, open)
	}
	return time.Since(start)
}

func TestServeHTTP_ResetsWhereItCannotRefuse(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	server := httptest.NewServer(s)
	defer server.Close()
	set(t, s, simulator.Fault{Kind: simulator.Refuse})
	if got := send(keepAlive(t), request(t.Context(), server.URL, web, callFor(issue(t, s, "valid")))); !isReset(got) && !errors.Is(got.err, io.EOF) {
		t.Errorf("behind another server a refused call ends with %v", got.err)
	}
}
