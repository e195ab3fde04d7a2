package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"captchagate/policy"
)

// Instances with the same key keep the same names, so that they can share what
// was taken; nobody without it can tell a name.
func TestLimiter_NamesUsersUnderItsKey(t *testing.T) {
	cfg := policy.Budget{PerIP: per(1, 1e9), PerSubject: per(1, 1e9)}
	under := func(key []byte, ip, subject string) [3]uint64 {
		return policy.NewLimiter(cfg, key).Names(netip.MustParseAddr(ip), subject)
	}
	one, two := []byte("one key"), []byte("another key")
	for _, ip := range []string{"192.0.2.1", "2001:db8:1:2::3"} {
		if a, b := under(one, ip, "alice"), under(one, ip, "alice"); a != b {
			t.Errorf("%s: %v and %v under one key", ip, a, b)
		}
		for name, keys := range map[string][2][]byte{"two keys": {one, two}, "no key": {nil, nil}} {
			a, b := under(keys[0], ip, "alice"), under(keys[1], ip, "alice")
			for i := range a {
				if a[i] == b[i] {
					t.Errorf("%s: bucket %d has one name under %s", ip, i, name)
				}
			}
		}
	}
}

// What is not the same has not the same name, whatever it looks like in bytes.
func TestLimiter_TellsBucketsApart(t *testing.T) {
	cfg := policy.Budget{PerIP: per(1, 1e9), PerSubject: per(1, 1e9)}
	l := policy.NewLimiter(cfg, []byte("key"))
	long := strings.Repeat("a long subject ", 20)
	seen := map[uint64]string{}
	for _, user := range [][2]string{
		{"192.0.2.0", "\x20\xc0\x00\x02\x00"}, {"192.0.3.0", "\x18\xc0\x00\x02\x00"}, {"2001:db8::", "alice"},
		{"2001:db8:1::", "alicia"}, {"2001:db8:1:1::", long}, {"2001:db9::", long + "b"},
	} {
		names := l.Names(netip.MustParseAddr(user[0]), user[1])
		for i, what := range []string{"address " + user[0], "network of " + user[0], "subject " + user[1]} {
			if was, there := seen[names[i]]; there && !(i == 1 && user[0] == "2001:db8:1:1::") {
				t.Errorf("%q and %q have one name", was, what)
			}
			seen[names[i]] = what
		}
	}
}

func TestLimiter_MakesNoGarbage(t *testing.T) {
	l := policy.NewLimiter(benchmarked, nil)
	ip, subject := netip.MustParseAddr("2001:db8::1"), strings.Repeat("s", 64)
	if n := testing.AllocsPerRun(100, func() { l.Take(policy.LastingCircuit, ip, subject) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
