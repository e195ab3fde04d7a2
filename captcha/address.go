package captcha

import "net/netip"

// Household returns what counts as one user's address: a /32 of IPv4, a /64 of
// IPv6, within which a user's address changes at will. An IPv4 address mapped
// into IPv6 is the IPv4 address; a zone is dropped; an invalid address has the
// zero Prefix.
func Household(ip netip.Addr) netip.Prefix { return prefix(ip, 32, 64) }

// Network returns what counts as one place: a /24 of IPv4, a /48 of IPv6,
// which many providers give to one customer. Who has one address of it may
// well have them all. Else it is as Household.
func Network(ip netip.Addr) netip.Prefix { return prefix(ip, 24, 48) }

func prefix(ip netip.Addr, bits4, bits6 int) netip.Prefix {
	ip = ip.Unmap()
	bits := bits6
	if ip.Is4() {
		bits = bits4
	}
	p, _ := ip.Prefix(bits) // fits either family
	return p
}
