package captcha_test

import (
	"net/netip"
	"testing"

	"captchagate/captcha"
)

func TestAddress_HasAHouseholdInANetwork(t *testing.T) {
	for address, want := range map[string][2]string{
		"192.0.2.130":                         {"192.0.2.130/32", "192.0.2.0/24"},
		"::ffff:192.0.2.130":                  {"192.0.2.130/32", "192.0.2.0/24"},
		"2001:db8:1:2:3:4:5:6":                {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"2001:db8:1:2:3:4:5:6%eth0":           {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"64:ff9b::c000:282":                   {"192.0.2.130/32", "192.0.2.0/24"}, // NAT64
		"64:ff9b:1:7::c000:282":               {"192.0.2.130/32", "192.0.2.0/24"},
		"2002:c000:0282:1::1":                 {"192.0.2.130/32", "192.0.2.0/24"}, // 6to4
		"2002:c000:0282:ffff::2":              {"192.0.2.130/32", "192.0.2.0/24"},
		"2001:0:53aa:64c:3c5e:8000:3fff:fd7d": {"192.0.2.130/32", "192.0.2.0/24"}, // Teredo
		"2001:0:1:2:3:4:3fff:fd7d%eth0":       {"192.0.2.130/32", "192.0.2.0/24"},
		"2001:1::1":                           {"2001:1::/64", "2001:1::/48"},
	} {
		ip := netip.MustParseAddr(address)
		if got := captcha.Household(ip).String(); got != want[0] {
			t.Errorf("%s: household %s, want %s", address, got, want[0])
		}
		if got := captcha.Network(ip).String(); got != want[1] {
			t.Errorf("%s: network %s, want %s", address, got, want[1])
		}
		if got := (captcha.Ticket{UserIP: ip}).Household(); got != captcha.Household(ip) {
			t.Errorf("%s: the ticket's household is %s", address, got)
		}
	}
	if p := captcha.Household(netip.Addr{}); p.IsValid() || captcha.Network(netip.Addr{}).IsValid() {
		t.Errorf("no address has the household %v", p)
	}
}
