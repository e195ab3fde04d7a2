// Package certs has a listener speak TLS with a certificate from files, which may change
// while it serves.
package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Config is a section "tls" of the configuration: paths of PEM files. The zero Config is
// a listener without TLS.
type Config struct {
	Cert string `yaml:"cert"`     // the certificate, and then those that lead to its authority
	Key  string `yaml:"key,path"` // of the certificate
	// ClientCA are the authorities whose certificates callers show; "" = they need none.
	ClientCA string `yaml:"client_ca"`
}

// On reports whether the listener speaks TLS.
func (c Config) On() bool { return c.Cert != "" }

// URL is where a program on the same machine reaches the listener at listen, which is
// host:port; "" if only the process that listens knows.
func (c Config) URL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return ""
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	scheme := "http://"
	if c.On() {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port)
}

// Validate lists every mistake in c, each as "key: what is wrong". It reads no file.
func (c Config) Validate() error {
	var mistakes []error
	if c.Cert != "" && c.Key == "" {
		mistakes = append(mistakes, errors.New("key: is empty, and a certificate is of no use without its key; name the file of the key of cert"))
	}
	if c.Cert == "" && c.Key != "" {
		mistakes = append(mistakes, errors.New("cert: is empty, and a key is of no use without its certificate; name the file of the certificate of key"))
	}
	if c.Cert == "" && c.ClientCA != "" {
		mistakes = append(mistakes, errors.New("client_ca: callers can only show a certificate where the listener speaks TLS; set cert and key, or leave it out"))
	}
	return errors.Join(mistakes...)
}

// A Pair is a certificate with its key, and the authorities of callers, as the files
// held them at one time.
type Pair struct {
	Began, Expires time.Time       // of the certificate
	Sum            [32]byte        // of what the files held
	tls            *tls.Config     // of a connection; never changed
	roots          map[string]bool // the authorities of callers, as DER
}

// Load reads the files of c, which must be on. It lists every mistake as Validate does; a
// certificate that does not hold now is one.
func (c Config) Load(now time.Time) (*Pair, error) {
	cert, certErr := read("cert", c.Cert)
	key, keyErr := read("key", c.Key)
	authorities, authoritiesErr := c.readAuthorities()
	p := &Pair{Sum: sha256.Sum256(fmt.Appendf(nil, "%q %q %q", cert, key, authorities))}
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, errors.Join(err, authoritiesErr)
	}
	pool, poolErr := c.pool(authorities)
	leaf, leafErr := c.leaf(cert)
	if err := errors.Join(leafErr, authoritiesErr, poolErr); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("key: the file is no unencrypted PEM key of the certificate in %s: %w", c.Cert, err), c.holds(leaf, now))
	}
	p.Began, p.Expires = leaf.NotBefore, leaf.NotAfter
	p.tls = &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if pool != nil {
		p.tls.ClientCAs, p.roots = pool, rootsOf(authorities)
		p.tls.SessionTicketsDisabled = true // who resumes a session is not asked again
	}
	return p, c.holds(leaf, now)
}

func (c Config) readAuthorities() ([]byte, error) {
	if c.ClientCA == "" {
		return nil, nil
	}
	return read("client_ca", c.ClientCA)
}

func (c Config) pool(authorities []byte) (*x509.CertPool, error) {
	if len(authorities) == 0 {
		return nil, nil //nolint:nilnil // callers need no certificate
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("client_ca: %s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", c.ClientCA)
	}
	return pool, nil
}

// rootsOf are the certificates of a file as DER, those that the pool takes among them.
func rootsOf(authorities []byte) map[string]bool {
	roots := map[string]bool{}
	for block, rest := pem.Decode(authorities); block != nil; block, rest = pem.Decode(rest) {
		roots[string(block.Bytes)] = true
	}
	return roots
}

// leaf is the first certificate of a file.
func (c Config) leaf(text []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(text)
	for block != nil && block.Type != "CERTIFICATE" {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, fmt.Errorf("cert: %s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", c.Cert)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cert: the first certificate in %s cannot be read: %w", c.Cert, err)
	}
	return leaf, nil
}

// Trust is what a client on the same machine reaches the listener with: it takes it for
// whoever holds the listener's certificate, and shows that one itself where the listener
// asks for one.
func (c Config) Trust() (*tls.Config, error) {
	text, err := read("cert", c.Cert)
	if err != nil {
		return nil, err
	}
	leaf, err := c.leaf(text)
	if err != nil {
		return nil, err
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(leaf)
	switch {
	case len(leaf.DNSNames) > 0:
		trust.ServerName = strings.Replace(leaf.DNSNames[0], "*", "gateway", 1)
	case len(leaf.IPAddresses) > 0:
		trust.ServerName = leaf.IPAddresses[0].String()
	}
	if c.ClientCA == "" {
		return trust, nil
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("key: cannot be used: %w", err)
	}
	trust.Certificates = []tls.Certificate{pair}
	return trust, nil
}

// holds says whether it is the certificate's time.
func (c Config) holds(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("cert: the certificate in %s expired %s; renew it", c.Cert, onDay(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("cert: the certificate in %s holds only from %s on; look at this machine's clock, or take one that holds now", c.Cert, leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// soon is how long before its end a certificate is worth a warning. One that lives for a
// shorter time than six weeks is warned of in its last third.
const soon = 14 * 24 * time.Hour

// Doubt says that the certificate expires soon, and "" if it does not.
func (p *Pair) Doubt(now time.Time) string {
	if p.Expires.Sub(now) > min(soon, p.Expires.Sub(p.Began)/3) {
		return ""
	}
	if now.After(p.Expires) {
		return "the certificate expired " + onDay(p.Expires) + "; renew it: callers refuse it"
	}
	return "the certificate expires " + onDay(p.Expires) + "; renew it, the files are read again when they change"
}

func onDay(t time.Time) string { return "on " + t.UTC().Format(time.RFC3339) }

// maxFile bounds a file, in bytes.
const maxFile = 1 << 20

func read(key, path string) ([]byte, error) {
	file, err := os.Open(path)
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		err = failed.Err // without the path, which stands in the configuration
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w; look at the path and its rights", key, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w; look at the path and its rights", key, err)
	}
	if strings.TrimSpace(string(text)) == "" {
		return nil, fmt.Errorf("%s: the file is empty", key)
	}
	return text, nil
}
