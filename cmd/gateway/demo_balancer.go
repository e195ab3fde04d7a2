package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"sync/atomic"
	"time"

	webdemo "captchagate/web/demo"
)

// A balancer is the load balancer of a demonstration: it hands requests to the
// instances, and to the next one where one does not answer.
type balancer struct {
	instances func() []target // those to ask, by turns,
	first     bool            // or always the first
	turns     atomic.Uint64
	transport http.Transport
}

// A target is where an instance listens.
type target struct{ name, address string }

const mostForwarded = 1 << 20 // bytes of a body, which is kept to be sent again

var errNobody = errors.New("no instance answers")

// ServeHTTP hands a request on.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostForwarded))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	proxy := httputil.ReverseProxy{
		Transport: b,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", p.In.Host // RoundTrip says where
			p.Out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	proxy.ServeHTTP(w, r)
}

// RoundTrip asks one instance after the other until one answers.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	targets := b.instances()
	if n := len(targets); n > 0 && !b.first {
		turn := int(b.turns.Add(1) % uint64(n))
		targets = slices.Concat(targets[turn:], targets[:turn])
	}
	failed := errNobody
	for _, t := range targets {
		asked := r.Clone(r.Context())
		asked.URL.Host = t.address
		asked.Body, _ = r.GetBody() // never fails
		answer, err := b.transport.RoundTrip(asked)
		if err == nil {
			answer.Header.Set(webdemo.InstanceHeader, t.name)
			return answer, nil
		}
		if failed = err; r.Context().Err() != nil {
			break
		}
	}
	return nil, failed
}

// serveAll serves handlers on listeners until ctx ends.
func serveAll(ctx context.Context, doors map[net.Listener]http.Handler) error {
	ended := make(chan error, len(doors))
	var servers []*http.Server
	for l, h := range doors {
		s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, s)
		go func() { ended <- s.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
	}
	for _, s := range servers {
		_ = s.Close()
	}
	return err
}
