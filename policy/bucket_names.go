package policy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/dchest/siphash"
)

// names turn prefixes and subjects into what a limiter keeps of them: 64 bits,
// keyed. That is wide enough: beside a million names a new one meets one that
// is there once in 10^13 times, nobody can search for such a pair without the
// key, and two that share a bucket get less and not more.
type names struct{ prefixes, subjects nameKey }

type nameKey struct{ k0, k1 uint64 }

// subkey is the key for one purpose, of 32 bytes; a key of nil stands for one made here.
func subkey(key []byte, purpose string) []byte {
	if key == nil {
		key = make([]byte, sha256.Size)
		_, _ = rand.Read(key) // never fails
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// newNames derives both keys from key.
func newNames(key []byte) names {
	k := subkey(key, "budgets")
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(k[8*i:]) }
	return names{prefixes: nameKey{word(0), word(1)}, subjects: nameKey{word(2), word(3)}}
}

// prefix names a household or a network, of IPv4 by five bytes and of IPv6 by
// nine: its length, and what it can hold of an address. So short a name has
// few blocks to hash.
func (n names) prefix(p netip.Prefix) uint64 {
	var named [9]byte
	size := 1
	if a := p.Addr(); a.Is4() {
		first := a.As4()
		size += copy(named[1:], first[:])
	} else {
		first := a.As16()
		size += copy(named[1:], first[:8])
	}
	named[0] = byte(p.Bits())
	return siphash.Hash(n.prefixes.k0, n.prefixes.k1, named[:size])
}

// subject names an account of the business.
func (n names) subject(s string) uint64 {
	var room [64]byte // holds nearly every subject, so that hashing makes no garbage
	return siphash.Hash(n.subjects.k0, n.subjects.k1, append(room[:0], s...))
}
