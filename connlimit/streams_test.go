package connlimit_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/connlimit"
)

// streams is a listener of HTTP/2 that answers /slow once released, and anything else
// once its body has come.
type streams struct {
	t        *testing.T
	limiter  *connlimit.Limiter
	at       string
	trust    *tls.Config
	arrived  chan struct{} // a value for each request for /slow
	released chan struct{}
}

func newStreams(t *testing.T, most int) *streams {
	t.Helper()
	pair := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer pair.Close()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &streams{
		t: t, limiter: connlimit.New(most, nil), at: inner.Addr().String(),
		trust:   pair.Client().Transport.(*http.Transport).TLSClientConfig,
		arrived: make(chan struct{}, 10), released: make(chan struct{}),
	}
	_, port, _ := net.SplitHostPort(s.at)
	s.at = "127.0.0.1:" + port
	server := &http.Server{ReadTimeout: time.Minute, TLSConfig: &tls.Config{Certificates: pair.TLS.Certificates, MinVersion: tls.VersionTLS12}}
	ended := make(chan error, 1)
	go func() { ended <- s.limiter.Serve(server, inner, s) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return s
}

func (s *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		s.arrived <- struct{}{}
		<-s.released
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	_, _ = io.WriteString(w, r.Proto)
}

// from is a client of one connection, from an address of its own.
func (s *streams) from(ip string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	transport := &http.Transport{TLSClientConfig: s.trust.Clone(), ForceAttemptHTTP2: true, DialContext: dialer.DialContext}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func (s *streams) ask(c *http.Client, path string) (string, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://"+s.at+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// Who holds many requests in one connection of HTTP/2 holds as much as with a connection
// for each, and makes room for others; a request that has arrived is not cut for that.
func TestStreams_CountAsConnections(t *testing.T) {
	const most = 10
	s := newStreams(t, most)
	honest := make(chan string, 1)
	go func() {
		text, err := s.ask(s.from("127.0.0.3"), "/slow")
		if err != nil {
			text = err.Error()
		}
		honest <- text
	}()
	<-s.arrived
	hog := s.from("127.0.0.2")
	if text, err := s.ask(hog, "/"); text != "HTTP/2.0" {
		t.Fatalf("it speaks %q (%v)", text, err)
	}
	var held sync.WaitGroup
	for range 2 * most {
		body, end := io.Pipe()
		defer end.Close()
		held.Go(func() {
			request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.at+"/", io.MultiReader(strings.NewReader("half"), body))
			if answer, err := hog.Do(request); err == nil {
				_ = answer.Body.Close()
			}
			_ = body.Close()
		})
	}
	for range 2 * most {
		if text, err := s.ask(s.from("127.0.0.4"), "/"); text != "HTTP/2.0" {
			t.Fatalf("another gets %q (%v)", text, err)
		}
	}
	close(s.released)
	if text := <-honest; text != "HTTP/2.0" {
		t.Errorf("who waited for an answer gets %s", text)
	}
}
