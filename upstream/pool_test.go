package upstream_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"captchagate/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// One call has one connection, though the server offers to share one.
func TestTransport_SpeaksHTTP1(t *testing.T) {
	var protocol string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		_, _ = io.Copy(io.Discard, r.Body)
		pass(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	own := upstream.NewTransport("https", 8)
	own.Proxy = nil
	own.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	own.TLSClientConfig.RootCAs.AddCert(s.Certificate())
	c := newClientAt(t, s.URL, own, prometheus.NewRegistry())
	if _, err := c.Verify(t.Context(), webTicket()); err != nil {
		t.Fatal(err)
	}
	if protocol != "HTTP/1.1" {
		t.Errorf("spoke %s", protocol)
	}
}

// A proxy on the way to an http endpoint would read the AppSecretKey.
func TestTransport_UsesAProxyForHTTPSOnly(t *testing.T) {
	if upstream.NewTransport("http", 8).Proxy != nil {
		t.Error("http goes through the environment's proxy")
	}
	if upstream.NewTransport("https", 8).Proxy == nil {
		t.Error("https does not go through the environment's proxy")
	}
}

// Each wait of the transport on a connection has an end, whatever the context
// says.
func TestTransport_BoundsEachWait(t *testing.T) {
	own := upstream.NewTransport("https", 8)
	if own.TLSHandshakeTimeout <= 0 || own.IdleConnTimeout <= 0 || own.MaxResponseHeaderBytes <= 0 {
		t.Errorf("something is without bound: %+v", own)
	}
}
