package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// newTransport returns what makes HTTP connections over those that dial makes.
//
// HTTP/1.1 on purpose: one call, one connection. With HTTP/2 one lost packet
// would hold up every call, one reset would fail them all, and a dead
// connection would go on being used; here a call that times out takes its own
// connection with it. The wait for an answer is bounded by the breaker
// (breaker/bound.go): here it would cost a timer for each call. That for TLS is bounded
// by the context of the connection alone (maxConnecting): of two timers, which is first
// is chance, and so would be the error.
func newTransport(scheme string, dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t := &http.Transport{
		DialContext:            dial,
		Protocols:              protocols,
		TLSClientConfig:        &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(0), MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // answers are short
	}
	// A proxy for https sees ciphertext only. One for http would see the
	// secrets, so it is never asked.
	if scheme == "https" {
		t.Proxy = http.ProxyFromEnvironment
	}
	return t
}
