package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/certs/certstest"
	"captchagate/simulator"
)

const apiName = "captcha.test"

// newAway is a trial whose API has a name with two IPv4 addresses and one of IPv6, in a
// network of its own.
func newAway(t *testing.T) (h *house, sim *simulator.Simulator) {
	t.Helper()
	sh(t, "ip addr add 10.9.0.1/32 dev lo && ip addr add 10.9.0.2/32 dev lo && ip -6 addr add fd00::1/128 dev lo nodad")
	resolver := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolver, []byte("nameserver 127.0.0.53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sh(t, "mount --bind "+resolver+" /etc/resolv.conf")
	sim = simulator.New(simulator.Config{Latency: time.Millisecond})
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	serves := func(serve func(ctx context.Context, address string, ready func(string)) error, address string) string {
		at := make(chan string)
		go func() {
			if err := serve(ctx, address, func(a string) { at <- a }); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}()
		return <-at
	}
	for _, address := range []string{"10.9.0.1:80", "10.9.0.2:80", "[fd00::1]:80"} {
		serves(sim.Serve, address)
	}
	serves(sim.ServeNames, "127.0.0.53:53")
	controls := serves(sim.ServeControls, "127.0.0.1:0")
	h = newTrial(t, "GATEWAY__UPSTREAM__ENDPOINT=http://"+apiName)
	h.simulator = controls
	h.write(h.shipped())
	return h, sim
}

// What the network between gateway and API does in a bad week (C17): packets to an address
// vanish, the name moves, IPv6 leads nowhere.
func TestReliability_RoadsToTheAPI(t *testing.T) {
	if !inANetworkOfItsOwn(t) {
		return
	}
	h, sim := newAway(t)
	network := func(addresses ...int) {
		if err := sim.SetNetwork(simulator.Network{Addresses: addresses}); err != nil {
			t.Fatal(err)
		}
	}
	drops := func(address string) func() {
		table := "iptables"
		if strings.Contains(address, ":") {
			table = "ip6tables"
		}
		sh(t, table+" -A OUTPUT -d "+address+" -j DROP")
		return func() { sh(t, table+" -D OUTPUT -d "+address+" -j DROP") }
	}
	for _, row := range []struct {
		name   string
		before func() // what was so when the gateway started
		breaks func() (mends func())
	}{
		{"one of two addresses loses all packets", func() { network(1, 2) }, func() func() { return drops("10.9.0.1") }},
		{"one of two addresses refuses", func() { network(1, 2) }, func() func() {
			sh(t, "iptables -A OUTPUT -p tcp -d 10.9.0.1 --dport 80 -j REJECT --reject-with tcp-reset")
			return func() {
				sh(t, "iptables -D OUTPUT -p tcp -d 10.9.0.1 --dport 80 -j REJECT --reject-with tcp-reset")
			}
		}},
		{"the name moves, the old address loses all packets", func() { network(1) }, func() func() { network(2); return drops("10.9.0.1") }},
		{"IPv6 turns into a black hole", func() { network(1, 3) }, func() func() { return drops("fd00::1") }},
		{"IPv6 was a black hole from the start", func() { network(1, 3); drops("fd00::1") }, func() func() { return func() { sh(t, "ip6tables -F") } }},
		{"the resolver is away", func() { network(1, 2) }, func() func() {
			sh(t, "iptables -A OUTPUT -p udp --dport 53 -j DROP")
			return func() { sh(t, "iptables -F") }
		}},
	} {
		row.before()
		h.start()
		users := h.comes("login", 20)
		<-time.After(5 * time.Second)
		broke := time.Now()
		mends := row.breaks()
		all := users.leavesAfter(13 * time.Second)
		first, later := all.between(broke, broke.Add(3*time.Second)), all.between(broke.Add(3*time.Second), broke.Add(time.Hour))
		figure(t, "road to the API: %s: %.1f %% verified before, %.1f %% in the first 3 s, %.1f %% after, p99 %v; %d changes of the circuit",
			row.name, all.between(broke.Add(-time.Minute), broke).percent(verified), first.percent(verified), later.percent(verified), later.quantile(0.99), len(h.status().Breaker.Transitions))
		if later.percent(verified) < 99 {
			t.Errorf("C17: %s: %s", row.name, later.reasons())
		}
		mends()
		h.gateway.signal(t, os.Interrupt, 0, patience)
	}
}

// The API's certificate expires: a fault and degraded answers, and back once it is renewed.
func TestReliability_TheAPIsCertificateExpires(t *testing.T) {
	trial(t)
	h := newTrial(t)
	authority := certstest.NewAuthority(t)
	pair := func(holds time.Duration) *tls.Certificate {
		cert, key := authority.Issue(t.TempDir(), 1, holds)
		p, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return &p
	}
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(pair(time.Hour))
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	var open sync.Map // connections; whoever changes a certificate restarts the server
	front := &http.Server{Handler: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: h.simulator}), ReadHeaderTimeout: patience}
	front.ConnState = func(c net.Conn, to http.ConnState) {
		if open.Store(c, nil); to == http.StateClosed {
			open.Delete(c)
		}
	}
	shows := func(p *tls.Certificate) time.Time {
		shown.Store(p)
		open.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
		return time.Now()
	}
	go func() { _ = front.Serve(l) }()
	t.Cleanup(func() { _ = front.Close() })
	h.environ = append(h.environ, "GATEWAY__UPSTREAM__ENDPOINT=https://"+l.Addr().String(), "SSL_CERT_FILE="+authority.File)
	h.start()
	users := h.comes("login", 20)
	<-time.After(3 * time.Second)
	expired := shows(pair(-time.Second))
	eventually(t, "the circuit opens", func() bool { return h.status().Breaker.State == "open" })
	opened := time.Since(expired)
	<-time.After(10 * time.Second)
	said := h.status().Breaker.Evidence
	renewed := shows(pair(time.Hour))
	eventually(t, "users are verified again", func() bool { return h.status().Breaker.State == "closed" })
	back := time.Since(renewed)
	all := users.leavesAfter(2 * time.Second)
	during := all.between(expired, renewed)
	figure(t, "the API's certificate expires: %.0f %% answered, circuit open after %v, closed %v after it was renewed; evidence %v; p99 meanwhile %v",
		100-all.percent(failed), opened.Round(time.Millisecond), back.Round(time.Millisecond), said, during.quantile(0.99))
	t.Log(during.reasons())
	if all.percent(failed) > 0 || !strings.Contains(h.gateway.stderr.String(), "TLS") {
		t.Errorf("%s", all.reasons())
	}
}

// Our own certificate expires while we serve: it is told before and after, shows in a
// metric, and a renewed one is taken over without a restart.
func TestReliability_OurCertificateExpires(t *testing.T) {
	trial(t)
	h := newTrial(t)
	authority, folder := certstest.NewAuthority(t), t.TempDir()
	cert, key := authority.Issue(folder, 1, 4*time.Second)
	h.environ = append(h.environ, "GATEWAY__TLS__CERT="+cert, "GATEWAY__TLS__KEY="+key)
	h.start()
	h.trust = authority.Client(false)
	soon := func() float64 { return h.metric(`captchagate_certificate_expires_soon{section="tls"}`) }
	before := soon()
	if _, err := h.gateway.await(h.gateway.stderr, "the certificate expires on"); err != nil {
		t.Fatal(err)
	}
	<-time.After(5 * time.Second)
	refused := h.comes("login", 10).leavesAfter(time.Second)
	authority.Issue(folder, 2, 90*24*time.Hour)
	renewed := time.Now()
	eventually(t, "callers are served again", func() bool {
		return h.comes("login", 10).leavesAfter(200*time.Millisecond).percent(failed) == 0
	})
	figure(t, "our certificate expires: told at the start, captchagate_certificate_expires_soon %.0f before, %.0f %% of new connections refused by callers once expired; served again %v after the files were renewed, without a restart; then %.0f",
		before, refused.percent(failed), time.Since(renewed).Round(100*time.Millisecond), soon())
}
