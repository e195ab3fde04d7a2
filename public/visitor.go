package public

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// visitor is the address of the page's user: the peer, or behind trusted
// proxies the nearest address that is not one of them. What stands further
// left in X-Forwarded-For is the client's own word.
func (s *Server) visitor(r *http.Request) netip.Addr {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	ip, _ := netip.ParseAddr(host)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for len(hops) > 0 && s.isProxy(ip) {
		next, ok := hop(hops[len(hops)-1])
		if !ok {
			s.unreadable(ip)
			break
		}
		ip, hops = next, hops[:len(hops)-1]
	}
	return ip.Unmap()
}

// hop reads an address as proxies write it: with or without a port, an IPv6
// address in brackets or not.
func hop(text string) (ip netip.Addr, ok bool) {
	text = strings.TrimSpace(text)
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr(), true
	}
	if inner, bracketed := strings.CutPrefix(text, "["); bracketed {
		text, bracketed = strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(text)
		return ip, bracketed && err == nil && ip.Is6()
	}
	ip, err := netip.ParseAddr(text)
	return ip, err == nil
}

// unreadable tells of a trusted proxy, once, that nobody can tell its visitors
// apart. The header itself may be a client's.
func (s *Server) unreadable(proxy netip.Addr) {
	if s.proxies.first(proxy.Unmap().String()) {
		s.log.Warn("a trusted proxy sends no X-Forwarded-For that says who its visitor is, so all of them count as one; have it write an address, with or without a port, or take it out of trusted_proxies; it is told once",
			"proxy", proxy.Unmap().String())
	}
}

func (s *Server) isProxy(ip netip.Addr) bool {
	for _, proxies := range s.cfg.TrustedProxies {
		if proxies.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}
