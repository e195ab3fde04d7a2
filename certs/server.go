package certs

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// A Server is what one listener speaks TLS with. Connections that are made from now on
// get what Use put in force last. It is safe for concurrent use.
type Server struct {
	cfg   Config
	ask   tls.ClientAuthType
	inUse atomic.Pointer[Pair]
}

// NewServer loads the files of cfg; ask says what becomes of callers without a
// certificate where cfg has a ClientCA. It is nil where cfg is off. The error is that of
// Load.
func NewServer(cfg Config, ask tls.ClientAuthType) (*Server, error) {
	if !cfg.On() {
		return nil, nil //nolint:nilnil // a listener without TLS
	}
	s := &Server{cfg: cfg, ask: ask}
	p, err := s.Load()
	if err != nil {
		return nil, err
	}
	s.Use(p)
	return s, nil
}

// Load reads the files as they are now.
func (s *Server) Load() (*Pair, error) {
	p, err := s.cfg.Load(time.Now())
	if err == nil && p.tls.ClientCAs != nil {
		p.tls.ClientAuth = s.ask
	}
	return p, err
}

// Use puts p, which Load returned, in force.
func (s *Server) Use(p *Pair) { s.inUse.Store(p) }

// InUse is what is in force.
func (s *Server) InUse() *Pair { return s.inUse.Load() }

// TLS is the configuration of the listener; nil where s is nil.
func (s *Server) TLS() *tls.Config {
	if s == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.inUse.Load().tls, nil },
	}
}

// Recheck has h see what a caller showed as it is now: a connection lives on where its
// authority was taken out of client_ca, or its certificate expired. To h it then came without
// a certificate, and it ends with the answer.
func (s *Server) Recheck(h http.Handler) http.Handler {
	if s == nil || s.cfg.ClientCA == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && !s.inUse.Load().trusts(r.TLS.VerifiedChains, time.Now()) {
			w.Header().Set("Connection", "close") // HTTP/2 makes a GOAWAY of it
			now := *r.TLS
			now.VerifiedChains = nil
			r = r.WithContext(r.Context())
			r.TLS = &now
		}
		h.ServeHTTP(w, r)
	})
}

// trusts reports whether one of the chains, each of which was in order when its connection
// was made, leads to an authority that holds now.
func (p *Pair) trusts(chains [][]*x509.Certificate, now time.Time) bool {
	return slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		return p.roots[string(chain[len(chain)-1].Raw)] && now.Before(chain[0].NotAfter)
	})
}
