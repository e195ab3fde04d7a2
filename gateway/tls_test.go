package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/certs"
	"captchagate/certs/certstest"
	"captchagate/config"
	"captchagate/gateway"
	"captchagate/simulator"
)

// served is a gateway that listens.
type served struct {
	t             *testing.T
	public, admin string
	log           journal
}

// serve runs a gateway on free ports until the test ends.
func serve(t *testing.T, change func(*config.Config)) *served {
	t.Helper()
	cfg := testConfig(t.TempDir())
	cfg.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	change(&cfg)
	s := &served{t: t}
	h := &house{t: t, sim: simulator.New(accountOf(cfg))}
	g, err := gateway.New(t.Context(), cfg, h, nil, slog.New(slog.NewTextHandler(&s.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- g.Run(ctx, func(listen, admin string) { s.public, s.admin = listen, admin; close(ready) })
	}()
	<-ready
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		g.Close()
	})
	return s
}

// get asks for an address and returns the answer, whose body was read.
func get(t *testing.T, with *tls.Config, address string) (*http.Response, error) {
	t.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: with, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err == nil {
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
	return answer, err
}

// Certificates change under load, over HTTP/1.1 and HTTP/2, and no request fails. A
// pair that is half written or does not fit changes nothing.
func TestTLS_CertificatesChangeUnderLoad(t *testing.T) {
	authority, folder := certstest.NewAuthority(t), t.TempDir()
	cert, key := authority.Issue(folder, 1, 90*24*time.Hour)
	s := serve(t, func(c *config.Config) { c.TLS = certs.Config{Cert: cert, Key: key}; c.Admin.TLS = c.TLS })
	stop := make(chan struct{})
	var asked, failed atomic.Int64
	var crowd sync.WaitGroup
	for i := range 4 {
		crowd.Go(func() {
			client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: authority.Client(false), ForceAttemptHTTP2: i%2 == 0, DisableKeepAlives: i < 2}}
			for {
				select {
				case <-stop:
					client.CloseIdleConnections()
					return
				case <-time.After(5 * time.Millisecond):
				}
				answer, err := client.Post("https://"+s.public+"/v1/verify", "application/json", strings.NewReader(`{"ticket":"t","randstr":"r","user_ip":"203.0.113.7"}`))
				if asked.Add(1); err != nil || answer.StatusCode != http.StatusOK {
					failed.Add(1)
					t.Errorf("a request failed: %v %v", answer, err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
	}
	if err := os.WriteFile(key, []byte("half a"), 0o600); err != nil {
		t.Fatal(err)
	}
	told := func() int { return strings.Count(s.log.String(), "was not read again") }
	s.until("what is wrong is told for each listener", func() bool { return told() == 2 })
	authority.Issue(folder, 2, 90*24*time.Hour)
	for _, at := range []string{s.public, s.admin} {
		s.until("the new certificate is shown", func() bool { return s.serial(authority, at) == 2 })
	}
	close(stop)
	crowd.Wait()
	if asked.Load() < 50 || failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
	if n := told(); n != 2 {
		t.Errorf("what is wrong is told %d times, want once for each listener:\n%s", n, s.log.String())
	}
}

// serial is that of the certificate which a listener shows.
func (s *served) serial(a *certstest.Authority, at string) int64 {
	s.t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", at, a.Client(false))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func (s *served) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(end) {
			s.t.Fatalf("not within a minute: %s\n%s", what, s.log.String())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// With client_ca backends need a certificate of it, pages and health checks none, and
// nobody reaches the operators' listener without one.
func TestTLS_AsksForCertificates(t *testing.T) {
	authority := certstest.NewAuthority(t)
	cert, key := authority.Issue(t.TempDir(), 1, 90*24*time.Hour)
	section := certs.Config{Cert: cert, Key: key, ClientCA: authority.File}
	s := serve(t, func(c *config.Config) { c.TLS, c.Admin.TLS, c.DropIn.Scene = section, section, "login" })
	stranger := authority.Client(false)
	stranger.Certificates = certstest.NewAuthority(t).Client(true).Certificates
	for _, row := range []struct {
		name   string
		with   *tls.Config
		at     string
		status int // 0 = no connection
	}{
		{"a page", authority.Client(false), s.public + "/v1/mode", 200},
		{"a health check", authority.Client(false), s.public + "/readyz", 200},
		{"a backend without a certificate", authority.Client(false), s.public + "/?Action=DescribeCaptchaResult", 403},
		{"a backend with one", authority.Client(true), s.public + "/?Action=DescribeCaptchaResult", 200},
		{"a backend with one of another authority", stranger, s.public + "/v1/mode", 0},
		{"an operator without a certificate", authority.Client(false), s.admin + "/admin/v1/status", 0},
		{"an operator with one", authority.Client(true), s.admin + "/admin/v1/status", 200},
	} {
		answer, err := get(t, row.with, "https://"+row.at)
		if row.status == 0 {
			if err == nil {
				t.Errorf("%s is let in: %d", row.name, answer.StatusCode)
			}
			continue
		}
		if err != nil || answer.StatusCode != row.status || answer.ProtoMajor != 2 {
			t.Errorf("%s gets %v (%v), want %d over HTTP/2", row.name, answer, err, row.status)
			continue
		}
		if hsts := answer.Header.Get("Strict-Transport-Security"); (hsts != "") != strings.HasPrefix(row.at, s.admin) {
			t.Errorf("%s: Strict-Transport-Security is %q", row.name, hsts)
		}
	}
	for _, path := range []string{"/v1/verify", "/siteverify", "/recaptcha/api/siteverify", "/"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: authority.Client(false), DisableKeepAlives: true}}
		answer, err := client.Post("https://"+s.public+path, "application/json", strings.NewReader("{}"))
		if err != nil || answer.StatusCode != http.StatusForbidden {
			t.Errorf("POST %s without a certificate: %v %v", path, answer, err)
		}
	}
	trust, err := section.Trust()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&admin.Client{URL: "https://" + s.admin, TLS: trust}).Status(t.Context()); err != nil {
		t.Errorf("the commands on the same machine are not let in: %v", err)
	}
}

// An authority that is taken out of client_ca lets nobody in any more, over connections that
// were made under it neither.
func TestTLS_AnAuthorityThatIsGoneLetsNobodyIn(t *testing.T) {
	t.Parallel()
	authority, next := certstest.NewAuthority(t), certstest.NewAuthority(t)
	cert, key := authority.Issue(t.TempDir(), 1, 90*24*time.Hour)
	section := certs.Config{Cert: cert, Key: key, ClientCA: authority.File}
	s := serve(t, func(c *config.Config) { c.TLS, c.Admin.TLS, c.DropIn.Scene = section, section, "login" })
	statusOf := map[string]func() int{}
	for _, at := range []string{s.public + "/?Action=DescribeCaptchaResult", s.admin + "/admin/v1/status"} {
		client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: authority.Client(true), ForceAttemptHTTP2: true}}
		t.Cleanup(client.CloseIdleConnections)
		statusOf[at] = func() int {
			answer, err := client.Get("https://" + at)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			return answer.StatusCode
		}
		if got := statusOf[at](); got != http.StatusOK {
			t.Fatalf("%s: %d", at, got)
		}
	}
	text, err := os.ReadFile(next.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(authority.File, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.until("both certificates are read again", func() bool {
		return strings.Count(s.log.String(), "a certificate was read again") == 2
	})
	for at, status := range statusOf {
		if got := status(); got != http.StatusForbidden {
			t.Errorf("%s: %d over a connection of before", at, got)
		}
	}
}

// Who begins a handshake and does not go on holds no place that others need.
func TestTLS_SlowHandshakesMakeRoom(t *testing.T) {
	t.Parallel()
	authority := certstest.NewAuthority(t)
	cert, key := authority.Issue(t.TempDir(), 1, 90*24*time.Hour)
	const most = 20
	s := serve(t, func(c *config.Config) { c.TLS, c.MaxConnections = certs.Config{Cert: cert, Key: key}, most })
	var slow []net.Conn
	for range 3 * most {
		conn, err := net.Dial("tcp", s.public)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte{22, 3, 1, 2, 0, 1}) // the beginning of a ClientHello
		slow = append(slow, conn)
	}
	began := time.Now()
	for range most {
		if answer, err := get(t, authority.Client(false), "https://"+s.public+"/readyz"); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", answer, err)
		}
	}
	t.Logf("%d requests beside %d handshakes that stand took %v", most, len(slow), time.Since(began))
	for _, conn := range slow {
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a handshake stands for longer than a minute: %v", err)
		}
		_ = conn.Close()
	}
}

// A gateway does not start with a certificate that cannot be used.
func TestTLS_BadCertificatesAreRefusedAtTheStart(t *testing.T) {
	authority := certstest.NewAuthority(t)
	cert, key := authority.Issue(t.TempDir(), 1, -time.Minute)
	cfg := testConfig(t.TempDir())
	cfg.TLS, cfg.Admin.TLS = certs.Config{Cert: cert, Key: key}, certs.Config{Cert: cert, Key: cert}
	_, err := gateway.New(t.Context(), cfg, &house{t: t}, nil, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("it starts")
	}
	lines := strings.Split(err.Error(), "\n")
	for _, want := range []string{"tls.cert: the certificate in " + cert + " expired", "admin.tls.key: the file is no unencrypted PEM key"} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("%v\ndoes not say %s", err, want)
		}
	}
}
