package certs_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"captchagate/certs"
	"captchagate/certs/certstest"
)

// What is wrong with a pair is said before anybody is served with it, all at once.
func TestConfig_ListsWhatIsWrong(t *testing.T) {
	a := certstest.NewAuthority(t)
	cert, key := a.Issue(t.TempDir(), 1, 90*24*time.Hour)
	_, otherKey := a.Issue(t.TempDir(), 2, time.Hour)
	expired, expiredKey := a.Issue(t.TempDir(), 3, -time.Minute)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  certs.Config
		want []string
	}{
		{"all is well", certs.Config{Cert: cert, Key: key, ClientCA: a.File}, nil},
		{"nothing is there", certs.Config{Cert: "no1", Key: "no2", ClientCA: "no3"}, []string{"cert: cannot be read", "key: cannot be read", "client_ca: cannot be read"}},
		{"another's key", certs.Config{Cert: cert, Key: otherKey}, []string{"key: the file is no unencrypted PEM key of the certificate in " + cert + ": tls: private key does not match public key"}},
		{"swapped", certs.Config{Cert: key, Key: cert}, []string{"cert: " + key + " holds no certificate"}},
		{"expired", certs.Config{Cert: expired, Key: expiredKey}, []string{"cert: the certificate in " + expired + " expired on 20"}},
		{"no authority", certs.Config{Cert: cert, Key: key, ClientCA: text}, []string{"client_ca: " + text + " holds no certificate"}},
	} {
		_, err := c.cfg.Load(time.Now())
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", c.name, err, want)
			}
		}
	}
	if _, err := (certs.Config{Cert: cert, Key: key}).Load(time.Now().Add(-2 * time.Hour)); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("before its time: %v", err)
	}
}

// A certificate's end is told of two weeks before, and that of a short-lived one in its
// last third.
func TestPair_DoubtsBeforeTheEnd(t *testing.T) {
	now, day := time.Now(), 24*time.Hour
	for left, lives := range map[time.Duration]time.Duration{15 * day: 90 * day, 9 * time.Hour: day} {
		p := certs.Pair{Began: now.Add(left - lives), Expires: now.Add(left)}
		if doubt := p.Doubt(now); doubt != "" {
			t.Errorf("%v before its end: %s", left, doubt)
		}
		if doubt := p.Doubt(now.Add(2 * left / 3)); !strings.Contains(doubt, "expires on") {
			t.Errorf("%v before its end: %q", left/3, doubt)
		}
		if doubt := p.Doubt(now.Add(2 * left)); !strings.Contains(doubt, "expired on") {
			t.Errorf("after its end: %q", doubt)
		}
	}
}

func TestConfig_NamesAPair(t *testing.T) {
	for _, c := range []certs.Config{{Cert: "c"}, {Key: "k"}, {ClientCA: "a"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is half a pair, and taken", c)
		}
	}
	for _, c := range []certs.Config{{}, {Cert: "c", Key: "k"}, {Cert: "c", Key: "k", ClientCA: "a"}} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v is refused: %v", c, err)
		}
	}
	if s, err := certs.NewServer(certs.Config{}, tls.NoClientCert); s != nil || err != nil || s.TLS() != nil {
		t.Errorf("without files there is TLS: %v, %v", s, err)
	}
}
