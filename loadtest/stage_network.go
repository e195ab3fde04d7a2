package loadtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	randv2 "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"captchagate/loadtest/scenario"
)

// apiName is the API's name where it is behind one.
const apiName = "captcha.test"

// A network is where the API is to be found, if it is behind a name: addresses
// of loopback with one port, a resolver, and a certificate.
type network struct {
	addresses []string // HOST:PORT
	resolver  string   // HOST:PORT, UDP
	port      string
	secure    bool
	folder    string
}

func (n *network) certificate() string { return filepath.Join(n.folder, "api.crt") }
func (n *network) key() string         { return filepath.Join(n.folder, "api.key") }

// newNetwork finds free addresses for what the scenario asks for, nil for
// nothing, and writes a certificate into the folder.
func newNetwork(ctx context.Context, s scenario.Scenario, folder string) (*network, error) {
	if !s.OnNetwork() {
		return nil, nil //nolint:nilnil // there is none
	}
	n := &network{folder: folder, secure: s.API.TLS != ""}
	var err error
	if n.addresses, n.port, err = freeAddresses(ctx, max(s.API.Addresses, 1)); err != nil {
		return nil, err
	}
	if n.resolver, err = freePacketAddress(ctx); err != nil {
		return nil, err
	}
	if n.secure {
		return n, n.certify()
	}
	return n, nil
}

// endpoint is where the gateway finds the API.
func (n *network) endpoint() string {
	scheme := "http"
	if n.secure {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(apiName, n.port)
}

// simulatorFlags are those of cmd/loadtest's run-simulator.
func (n *network) simulatorFlags(a scenario.API) []string {
	flags := []string{"--names", n.resolver, "--round-trip", a.RoundTrip.String(), "--idle-close", a.IdleClose.String()}
	for _, address := range n.addresses {
		flags = append(flags, "--api", address)
	}
	if n.secure {
		flags = append(flags, "--tls", a.TLS, "--certificate", n.certificate(), "--key", n.key())
	}
	return flags
}

// certify makes a certificate for the API's name, which vouches for itself.
func (n *network) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{apiName}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(writePEM(n.certificate(), "CERTIFICATE", certificate), writePEM(n.key(), "PRIVATE KEY", secret))
}

func writePEM(path, kind string, content []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}

// freeAddresses finds so many addresses of loopback with one port that is free on
// all of them.
func freeAddresses(ctx context.Context, count int) (addresses []string, port string, err error) {
	const tries = 20
	for range tries {
		if addresses, port, err = tryAddresses(ctx, count); err == nil {
			return addresses, port, nil
		}
	}
	return nil, "", fmt.Errorf("the API needs %d addresses of loopback (127.0.0.0/8) with one free port: %w", count, err)
}

func tryAddresses(ctx context.Context, count int) (addresses []string, port string, err error) {
	network := fmt.Sprintf("127.%d.%d.", 1+randv2.IntN(250), randv2.IntN(250))
	port = "0"
	for i := range count {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("%s%d:%s", network, i+1, port))
		if err != nil {
			return nil, "", err
		}
		defer func() { _ = l.Close() }()
		addresses = append(addresses, l.Addr().String())
		_, port, _ = net.SplitHostPort(l.Addr().String())
	}
	return addresses, port, nil
}

func freePacketAddress(ctx context.Context) (string, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return conn.LocalAddr().String(), conn.Close()
}
