package upstream_test

import (
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"captchagate/captcha"
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
	c := newClientAt(t, s.URL, nil, prometheus.NewRegistry())
	trust(c, s)
	if err := connects(t, c); err != nil {
		t.Fatal(err)
	}
	if protocol != "HTTP/1.1" {
		t.Errorf("spoke %s", protocol)
	}
}

// connects asks about a ticket, and again where a handshake took more than the second that
// it may: on a busy machine.
func connects(t *testing.T, c *upstream.Client) (err error) {
	t.Helper()
	for range 30 {
		_, err = c.Verify(t.Context(), webTicket())
		if f, failed := errors.AsType[*captcha.Failure](err); !failed || !f.Connecting {
			break
		}
	}
	return err
}

// trust has the client believe the server's certificate.
func trust(c *upstream.Client, s *httptest.Server) {
	c.Transport().Proxy = nil
	c.Transport().TLSClientConfig.RootCAs = x509.NewCertPool()
	c.Transport().TLSClientConfig.RootCAs.AddCert(s.Certificate())
}

// A proxy on the way to an http endpoint would read the AppSecretKey.
func TestTransport_UsesAProxyForHTTPSOnly(t *testing.T) {
	if newClientAt(t, "http://captcha.example", nil, prometheus.NewRegistry()).Transport().Proxy != nil {
		t.Error("http goes through the environment's proxy")
	}
	if newClientAt(t, "https://captcha.example", nil, prometheus.NewRegistry()).Transport().Proxy == nil {
		t.Error("https does not go through the environment's proxy")
	}
}
