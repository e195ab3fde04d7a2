// Package simulator is a Tencent Captcha API that fails on command. It is for
// tests, demonstrations and load runs; nothing that it says is true, and it
// says "simulator" wherever a person looks.
//
// One Simulator is three things at once: an http.Handler (the API on POST /,
// the controls under /_sim/, a stand-in page script), an http.RoundTripper (the
// same in process, for tests in virtual time), and, by Serve, a listener that
// can refuse connections for real.
//
// It shares no code with the gateway that it tests: a mistake made in both
// would hide. It keeps nothing between runs.
package simulator

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// serverName is what the Server header says.
const serverName = "captcha-simulator"

// A Simulator answers as the Captcha API does, or fails as it was told to. All
// its methods may be called at once from many goroutines. It starts none of
// its own except in Serve.
type Simulator struct {
	cfg     Config
	log     *slog.Logger
	random  *random
	secret  [32]byte // signs tickets; made anew by each New
	spent   spentTickets
	queue   queue
	stats   counters
	signing atomic.Pointer[dayKey]
	fault   atomic.Pointer[activeFault]
	script  atomic.Pointer[ScriptFault]
	network atomic.Pointer[Network]
	calls   atomic.Int64 // in process, each of which is a connection of its own
	routes  *http.ServeMux

	mu        sync.Mutex // guards listeners, and orders changes of the fault
	listeners map[*listener]struct{}
	numbered  int // addresses, so far
}

// New returns a simulator in good health. Parts of cfg that are zero take
// their defaults; what else is wrong with it, cfg.Validate says.
func New(cfg Config) *Simulator {
	cfg = cfg.withDefaults()
	s := &Simulator{
		cfg:       cfg,
		log:       cfg.Log.With("component", "simulator"),
		random:    newRandom(cfg.Seed),
		queue:     queue{rate: cfg.Capacity},
		listeners: map[*listener]struct{}{},
	}
	_, _ = rand.Read(s.secret[:]) // never fails
	s.stats.reset(time.Now())
	s.fault.Store(healthy)
	s.script.Store(&ScriptFault{Kind: ScriptOK})
	s.network.Store(&Network{Resolver: ResolverOK})
	s.routes = s.newRoutes()
	return s
}

// ServeHTTP answers API calls, controls and pages. Behind any other listener
// than Serve's a refused connection cannot be had: there the calls are reset.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", serverName)
	if isCall(r) {
		s.serveCall(w, r)
		return
	}
	if c := connOf(r); c != nil {
		c.control.Store(true)
	}
	s.routes.ServeHTTP(w, r)
}

// isCall tells the API's calls from the controls and pages.
func isCall(r *http.Request) bool {
	if r.URL.Path != "/" && r.URL.Path != "" {
		return false
	}
	return r.Method == http.MethodPost || r.Method == http.MethodGet && (r.URL.Query().Has("Action") || r.Header.Get("X-TC-Action") != "")
}
