package captcha

import "net/netip"

// Household returns what counts as one user's address: a /32 of IPv4, a /64 of
// IPv6, within which a user's address changes at will. An IPv4 address mapped
// into IPv6, or inside one of 6to4, Teredo or NAT64, is the IPv4 address: whoever
// has it has a whole network of those, and a translator's users share one. A zone is dropped; an invalid address has the zero
// Prefix.
func Household(ip netip.Addr) netip.Prefix { return prefix(ip, 32, 64) }

// Network returns what counts as one place: a /24 of IPv4, a /48 of IPv6,
// which many providers give to one customer. Who has one address of it may
// well have them all. Else it is as Household.
func Network(ip netip.Addr) netip.Prefix { return prefix(ip, 24, 48) }

func prefix(ip netip.Addr, bits4, bits6 int) netip.Prefix {
	if !ip.IsValid() {
		return netip.Prefix{}
	}
	ip = inner(ip.Unmap())
	bits := bits6
	if ip.Is4() {
		bits = bits4
	}
	p, _ := ip.Prefix(bits) // fits either family
	return p
}

var (
	sixToFour = netip.MustParsePrefix("2002::/16")      // RFC 3056: the IPv4 address follows
	teredo    = netip.MustParsePrefix("2001::/32")      // RFC 4380: it is at the end, inverted
	nat64     = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052: it is at the end
	nat64Own  = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215: the same, in networks of one's own
)

// inner returns the IPv4 address inside an address of 6to4, Teredo or NAT64, and
// any other address as it is.
func inner(ip netip.Addr) netip.Addr {
	ip = ip.WithZone("")
	switch b := ip.As16(); {
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case teredo.Contains(ip):
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
	case nat64.Contains(ip), nat64Own.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}
