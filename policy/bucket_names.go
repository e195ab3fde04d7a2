package policy

import (
	"hash/maphash"
	"net/netip"
)

// names turn addresses and subjects into what a limiter keeps of them: 64 bits,
// keyed by seeds that never leave the process. That is wide enough: beside a
// million names a new one meets one that is there once in 10^13 times, nobody
// can search for such a pair without the seeds, and two that share a bucket
// get less and not more.
type names struct{ prefixes, subjects maphash.Seed }

func newNames() names { return names{prefixes: maphash.MakeSeed(), subjects: maphash.MakeSeed()} }

// prefix names the first bits of ip. Both are as in the 128-bit form of ip, in
// which an IPv4 address and itself mapped into IPv6 are the same.
func (n names) prefix(ip netip.Addr, bits int) uint64 {
	var named [17]byte
	bytes := ip.As16()
	copy(named[:bits/8], bytes[:])
	named[16] = byte(bits)
	return maphash.Bytes(n.prefixes, named[:])
}

// subject names an account of the business.
func (n names) subject(s string) uint64 { return maphash.String(n.subjects, s) }

// prefixLengths are how many bits of the 128-bit form of ip stand for one
// user, and for the user's network: /32 and /24 of IPv4; of IPv6 the /64 of
// one household and the /48 that many providers give to one customer.
func prefixLengths(ip netip.Addr) (one, network int) {
	if ip.Unmap().Is4() {
		return 96 + 32, 96 + 24
	}
	return 64, 48
}
