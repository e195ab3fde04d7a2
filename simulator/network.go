package simulator

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// Network is what lies between callers and the API. Addresses are told by their
// numbers: 1 is the first that Serve listens on, and so on.
type Network struct {
	Addresses []int    `json:"addresses"`  // that the API's name has; nil = all
	BlackHole []int    `json:"black_hole"` // addresses where nothing that is sent arrives
	Resolver  Resolver `json:"resolver"`   // how names are resolved; default ResolverOK
}

// A Resolver is how names are resolved.
type Resolver string

// The ways of the resolver.
const (
	ResolverOK   Resolver = "ok"
	ResolverFail Resolver = "fail" // SERVFAIL
	ResolverHang Resolver = "hang" // no answer
)

// Validate lists every mistake in n, each as "key: what is wrong".
func (n Network) Validate() error {
	var m mistakes
	positive := func(key string, numbers []int) {
		for _, number := range numbers {
			if number < 1 {
				m.add(key, "must be numbers of addresses from 1, has %d", number)
			}
		}
	}
	positive("addresses", n.Addresses)
	positive("black_hole", n.BlackHole)
	if n.Addresses != nil && len(n.Addresses) == 0 {
		m.add("addresses", "must name one at least; resolver fail takes the name away")
	}
	if n.Resolver != "" && n.Resolver != ResolverOK && n.Resolver != ResolverFail && n.Resolver != ResolverHang {
		m.add("resolver", "must be ok, fail or hang, is %q", n.Resolver)
	}
	return m.err()
}

// SetNetwork puts n in the place of what was. Connections to an address that
// becomes a black hole are forgotten. The error lists what is wrong with n; then
// nothing has changed.
func (s *Simulator) SetNetwork(n Network) error {
	if err := n.Validate(); err != nil {
		return err
	}
	if n.Resolver == "" {
		n.Resolver = ResolverOK
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.network.Store(&n)
	for l := range s.listeners {
		l.applyFault()
	}
	s.log.Info("network set", "addresses", n.Addresses, "black_hole", n.BlackHole, "resolver", string(n.Resolver))
	return nil
}

// ForgetFlows has every connection that stands forgotten, as a NAT or a firewall
// does that was restarted: what is sent over it is lost and nobody is told. New
// ones are as good as ever. Connections of the controls are spared.
func (s *Simulator) ForgetFlows() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		l.forget()
	}
	s.log.Info("flows forgotten")
}

// named are the addresses that the API's name has, in the order of their numbers.
func (s *Simulator) named() []netip.Addr {
	only := s.network.Load().Addresses
	s.mu.Lock()
	defer s.mu.Unlock()
	byNumber := map[int]netip.Addr{}
	for l := range s.listeners {
		if at, err := netip.ParseAddrPort(l.address); err == nil && l.number > 0 && (only == nil || slices.Contains(only, l.number)) {
			byNumber[l.number] = at.Addr().Unmap()
		}
	}
	var out []netip.Addr
	for number := 1; len(out) < len(byNumber); number++ {
		if at, ok := byNumber[number]; ok {
			out = append(out, at)
		}
	}
	return out
}

func (s *Simulator) getNetwork(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.network.Load())
}

func (s *Simulator) putNetwork(w http.ResponseWriter, r *http.Request) {
	var n Network
	var resolver string
	var forget bool
	asked := form{
		fields: map[string]fieldReader{
			"addresses":    valueInto(&n.Addresses, "a list of numbers"),
			"black_hole":   valueInto(&n.BlackHole, "a list of numbers"),
			"resolver":     stringInto(&resolver),
			"forget_flows": valueInto(&forget, "true or false"),
		},
		check: func() error { n.Resolver = Resolver(resolver); return n.Validate() },
	}
	if !readControl(w, r, asked) {
		return
	}
	if err := s.SetNetwork(n); err != nil {
		writeProblem(w, http.StatusBadRequest, err)
		return
	}
	if forget {
		s.ForgetFlows()
	}
	s.getNetwork(w, r)
}

func (s *Simulator) deleteNetwork(w http.ResponseWriter, r *http.Request) {
	_ = s.SetNetwork(Network{}) // the zero value has no mistake
	s.getNetwork(w, r)
}

// A hole is an address where nobody is: its queue of connections is full and
// nobody takes one out, so that the system drops every further attempt to
// connect without a word.
type hole struct {
	listener interface{ Close() error }
	filling  interface{ Close() error }
}

func (h *hole) Close() error { return errors.Join(h.filling.Close(), h.listener.Close()) }

// holeLook is how often a listener in a hole looks whether it still is, besides
// when it is woken.
const holeLook = time.Minute
