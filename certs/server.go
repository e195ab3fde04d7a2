package certs

import (
	"crypto/tls"
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
