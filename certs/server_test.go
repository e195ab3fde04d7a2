package certs_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"captchagate/certs"
	"captchagate/certs/certstest"
)

// A connection that is kept is worth no more than its authority is now: once that is taken
// out of client_ca the next answer says that nobody showed a certificate, and ends it.
func TestServer_AnAuthorityThatIsGoneEndsConnections(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run("HTTP/2 "+strconv.FormatBool(h2), func(t *testing.T) {
			authority, next := certstest.NewAuthority(t), certstest.NewAuthority(t)
			cert, key := authority.Issue(t.TempDir(), 1, 90*24*time.Hour)
			s, err := certs.NewServer(certs.Config{Cert: cert, Key: key, ClientCA: authority.File}, tls.VerifyClientCertIfGiven)
			if err != nil {
				t.Fatal(err)
			}
			connections := map[string]bool{}
			host := httptest.NewUnstartedServer(s.Recheck(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				connections[r.RemoteAddr] = true
				w.Header().Set("Shown", strconv.FormatBool(len(r.TLS.VerifiedChains) > 0))
			})))
			host.EnableHTTP2, host.TLS = h2, s.TLS()
			host.StartTLS()
			defer host.Close()
			transport := &http.Transport{TLSClientConfig: authority.Client(true), ForceAttemptHTTP2: h2}
			defer transport.CloseIdleConnections()
			shown := func() (string, error) {
				answer, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("https://" + host.Listener.Addr().String())
				if err != nil {
					return "", err
				}
				_ = answer.Body.Close()
				return answer.Header.Get("Shown"), nil
			}
			both := append(read(t, next.File), read(t, authority.File)...)
			for name, row := range []struct {
				authorities []byte
				want        string
			}{{both, "true"}, {both, "true"}, {read(t, next.File), "false"}} {
				if err := os.WriteFile(authority.File, row.authorities, 0o600); err != nil {
					t.Fatal(err)
				}
				found, err := s.Load()
				if err != nil {
					t.Fatal(err)
				}
				s.Use(found)
				if got, err := shown(); err != nil || got != row.want {
					t.Errorf("%d: shown is %q (%v), want %s", name, got, err, row.want)
				}
			}
			if got, err := shown(); err == nil {
				t.Errorf("the connection is kept, or made anew: shown is %q", got)
			}
			if len(connections) != 1 {
				t.Errorf("%d connections", len(connections))
			}
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
