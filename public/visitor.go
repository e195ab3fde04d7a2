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
		next, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
		if err != nil {
			break
		}
		ip, hops = next, hops[:len(hops)-1]
	}
	return ip.Unmap()
}

func (s *Server) isProxy(ip netip.Addr) bool {
	for _, proxies := range s.cfg.TrustedProxies {
		if proxies.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}
