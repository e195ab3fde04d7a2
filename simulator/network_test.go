package simulator_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/simulator"
)

// within is a call that is given up after that time.
func within(t *testing.T, d time.Duration, rt http.RoundTripper, base string, s *simulator.Simulator) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return send(rt, request(ctx, base, web, callFor(issue(t, s, "valid"))))
}

const shortly = 200 * time.Millisecond // for what never comes

// C17's row: what was connected is lost without a word, and who connects anew is
// served.
func TestNetwork_ForgottenFlowsAreSilent(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	base, old, fresh := listen(t, s), keepAlive(t), keepAlive(t)
	if got := within(t, time.Minute, old, base, s).what(); got != "1" {
		t.Fatalf("healthy, the API says %s", got)
	}
	control(t, fresh, http.MethodPut, base+"/_sim/network", `{"forget_flows":true}`)
	if got := within(t, shortly, old, base, s); !isTimeout(got) {
		t.Errorf("a forgotten connection gives %s, %v", got.what(), got.err)
	}
	if got := within(t, time.Minute, old, base, s).what(); got != "1" {
		t.Errorf("a new connection is told %s", got)
	}
	if got := s.Stats().Requests; got != 2 {
		t.Errorf("%d calls reached the API, want 2", got)
	}
}

func TestNetwork_ABlackHoleSwallowsConnections(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	base, old := listen(t, s), keepAlive(t)
	within(t, time.Minute, old, base, s)
	if err := s.SetNetwork(simulator.Network{BlackHole: []int{1}}); err != nil {
		t.Fatal(err)
	}
	if got := within(t, shortly, old, base, s); !isTimeout(got) {
		t.Errorf("the connection that stood gives %s, %v", got.what(), got.err)
	}
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(base, "http://"), shortly)
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Fatalf("connecting gives %v, %v, want no answer", conn, err)
	}
	if err := s.SetNetwork(simulator.Network{}); err != nil {
		t.Fatal(err)
	}
	if got := within(t, time.Minute, old, base, s).what(); got != "1" {
		t.Errorf("afterwards the API says %s", got)
	}
}

func TestNetwork_ResolvesItsName(t *testing.T) {
	s := simulator.New(simulator.Config{})
	listen(t, s)
	served, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	names, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.ServeNames(served, "127.0.0.1:0", func(at string) { names <- at }) }()
	at := <-names
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", at)
	}}
	lookup := func(d time.Duration) ([]string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		return resolver.LookupHost(ctx, "captcha.test.")
	}
	network := func(n simulator.Network) {
		if err := s.SetNetwork(n); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := lookup(time.Minute); err != nil || !slices.Equal(got, []string{"127.0.0.1"}) {
		t.Errorf("the name has %v, %v", got, err)
	}
	network(simulator.Network{Addresses: []int{2}})
	if got, err := lookup(time.Minute); err == nil {
		t.Errorf("a name without addresses has %v", got)
	}
	network(simulator.Network{Resolver: simulator.ResolverFail})
	if got, err := lookup(time.Minute); err == nil {
		t.Errorf("a resolver that fails says %v", got)
	}
	network(simulator.Network{Resolver: simulator.ResolverHang})
	if got, err := lookup(shortly); err == nil {
		t.Errorf("a resolver that hangs says %v", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// A connection that was made ahead of a call has the call's own trip yet to come.
func TestNetwork_CallsOverConnectionsMadeAheadTakeATrip(t *testing.T) {
	const trip = 50 * time.Millisecond
	borrowed := httptest.NewTLSServer(nil)
	defer borrowed.Close()
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency, RoundTrip: trip, TLS: &tls.Config{
		Certificates: borrowed.TLS.Certificates, SessionTicketsDisabled: true,
	}})
	address := strings.TrimPrefix(listen(t, s), "http://")
	conn, err := tls.Dial("tcp", address, borrowed.Client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		<-time.After(3 * trip) // nothing is on its way any more
		began := time.Now()
		if _, err := io.WriteString(conn, "GET /_sim/stats HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil || time.Since(began) < trip {
			t.Errorf("answered after %v, %v; want a round trip of %v", time.Since(began), err, trip)
		}
		_, _ = conn.Read(make([]byte, 4096))
	}
}

// C18's row: TCP and TLS 1.2 take three round trips before the call's own, TCP
// and TLS 1.3 two.
func TestNetwork_ConnectingTakesItsTrips(t *testing.T) {
	for version, trips := range map[uint16]time.Duration{tls.VersionTLS12: 4, tls.VersionTLS13: 3} {
		t.Run(tls.VersionName(version), func(t *testing.T) { connectsIn(t, version, trips) })
	}
}

func connectsIn(t *testing.T, version uint16, connecting time.Duration) {
	const trip = 50 * time.Millisecond
	borrowed := httptest.NewTLSServer(nil) // for its certificate
	defer borrowed.Close()
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency, RoundTrip: trip, TLS: &tls.Config{
		Certificates: borrowed.TLS.Certificates, MaxVersion: version, SessionTicketsDisabled: true,
	}})
	base := strings.Replace(listen(t, s), "http:", "https:", 1)
	client := borrowed.Client().Transport.(*http.Transport)
	defer client.CloseIdleConnections()
	for i, trips := range []time.Duration{connecting, 1} {
		if got := within(t, time.Minute, client, base, s); got.what() != "1" || got.took < trips*trip {
			t.Errorf("call %d: %s after %v, %v; want at least %d round trips of %v", i+1, got.what(), got.took, got.err, trips, trip)
		}
	}
}

func TestNetwork_ClosesIdleConnections(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency, IdleClose: 20 * time.Millisecond})
	conn, err := net.Dial("tcp", strings.TrimPrefix(listen(t, s), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /TJCaptcha.js HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("it ends with %v, want to be closed", err)
	}
}

func TestNetwork_RefusesWhatIsWrong(t *testing.T) {
	s := simulator.New(simulator.Config{})
	status, body := control(t, s, http.MethodPut, "http://captcha.test/_sim/network", `{"addresses":[0],"black_hole":[-1],"resolver":"slow","x":1}`)
	for _, want := range []string{`"addresses"`, `"black_hole"`, `"resolver"`, `"x"`} {
		if status != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("the answer is %d %s, want 400 and %s", status, body, want)
		}
	}
	if _, body = control(t, s, http.MethodGet, "http://captcha.test/_sim/network", ""); !strings.Contains(body, `"resolver":"ok"`) {
		t.Errorf("the network is %s", body)
	}
}

// Of three instances behind an address one is ill, and each kept connection
// leads to the same one always.
func TestFault_OneInstanceOfThree(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	base := listen(t, s)
	set(t, s, simulator.Fault{Kind: simulator.HTTP502, Instances: 3})
	ill := 0
	for range 6 {
		client := keepAlive(t)
		first, again := within(t, time.Minute, client, base, s), within(t, time.Minute, client, base, s)
		if first.status != again.status {
			t.Errorf("one connection answers %d and then %d", first.status, again.status)
		}
		if first.status == http.StatusBadGateway {
			ill++
		}
	}
	if ill != 2 {
		t.Errorf("%d connections of 6 lead to the ill instance, want 2", ill)
	}
}

func TestFault_OneAddressOfTwo(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	first := listen(t, s)
	second := listen(t, s)
	set(t, s, simulator.Fault{Kind: simulator.Refuse, Address: 2})
	if got := within(t, time.Minute, keepAlive(t), first, s).what(); got != "1" {
		t.Errorf("the first address says %s", got)
	}
	if got := within(t, time.Minute, keepAlive(t), second, s); !isRefused(got) {
		t.Errorf("the second address says %s, %v", got.what(), got.err)
	}
}

// C15's row: what is above the limit is turned away, with when to come back.
func TestFault_LimitServesWhatIsBelowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
		set(t, s, simulator.Fault{Kind: simulator.HTTP429, Limit: 100, RetryAfter: 2 * time.Second})
		served := 0
		for range 10 * 120 { // of 120 a second for 10 s
			switch got := ask(t, s, issue(t, s, "valid")); {
			case got.status == http.StatusOK:
				served++
			case got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "2":
				t.Fatalf("turned away with %d and Retry-After %q", got.status, got.header.Get("Retry-After"))
			}
			time.Sleep(time.Second / 120)
		}
		if served < 1000 || served > 1012 {
			t.Errorf("%d calls of 1200 were served, want 100 a second and a tenth of them at once", served)
		}
	})
}
