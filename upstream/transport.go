package upstream

import (
	"net"
	"net/http"
	"time"
)

// Time-outs of the transport. They back up the context, which is shorter as a
// rule, and bound what goes on without it, such as a dial that nobody waits
// for any more.
const (
	dialTimeout = 3 * time.Second
	tlsTimeout  = 3 * time.Second
	idleTimeout = 30 * time.Second // under the usual 60 s and 75 s of servers, so that they rarely close first
)

// newTransport returns a transport that keeps up to maxInFlight connections
// to the one host.
//
// HTTP/1.1 on purpose: one call, one connection. With HTTP/2 one lost packet
// would hold up every call, one reset would fail them all, and a dead
// connection would go on being used; here a call that times out takes its own
// connection with it. There is no limit on connections: the breaker bounds
// the calls, and a probe must not queue behind dials that hang. The wait for an
// answer is bounded in send: here it would cost a timer for each call.
func newTransport(scheme string, maxInFlight int) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		Protocols:              protocols,
		MaxIdleConns:           maxInFlight,
		MaxIdleConnsPerHost:    maxInFlight,
		IdleConnTimeout:        idleTimeout,
		TLSHandshakeTimeout:    tlsTimeout,
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
