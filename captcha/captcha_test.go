package captcha_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"captchagate/captcha"
)

func TestTicket_WellFormed(t *testing.T) {
	long, longest := strings.Repeat("x", captcha.MaxTicket+1), strings.Repeat("x", captcha.MaxTicket)
	for _, row := range []struct {
		name string
		t    captcha.Ticket
		want bool
	}{
		{"a ticket and its randstr", captcha.Ticket{Value: "tr03abc", Randstr: "@x1"}, true},
		{"as long as may be", captcha.Ticket{Value: longest, Randstr: longest[:captcha.MaxRandstr]}, true},
		{"no ticket", captcha.Ticket{Randstr: "@x1"}, false},
		{"no randstr", captcha.Ticket{Value: "tr03abc"}, false},
		{"no randstr in a mini program", captcha.Ticket{Value: "tr03abc", Mini: true}, true},
		{"too long a ticket", captcha.Ticket{Value: long, Randstr: "@x1"}, false},
		{"too long a randstr", captcha.Ticket{Value: "tr03abc", Randstr: long[:captcha.MaxRandstr+1]}, false},
		{"a space", captcha.Ticket{Value: "tr03 abc", Randstr: "@x1"}, false},
		{"a line break", captcha.Ticket{Value: "tr03abc", Randstr: "@x1\n"}, false},
		{"not ASCII", captcha.Ticket{Value: "tr03é", Randstr: "@x1"}, false},
	} {
		if got := row.t.WellFormed(); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

// Named changes nothing of a ticket's key but what it costs.
func TestTicket_IsNamedByItsValueAlone(t *testing.T) {
	a := captcha.Ticket{Value: "tr03abc", Randstr: "@x1", Subject: "one"}
	b := captcha.Ticket{Value: "tr03abc", Randstr: "@y2", Subject: "another"}
	if a.Key() != b.Key() || a.Named().Key() != a.Key() || a.Key() != captcha.KeyOf("tr03abc") {
		t.Error("one ticket has several names")
	}
	if a.Key() == captcha.KeyOf("tr03abd") {
		t.Error("two tickets have one name")
	}
}

func TestTicket_Household(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
	} {
		if got := (captcha.Ticket{UserIP: netip.MustParseAddr(ip)}).Household().String(); got != want {
			t.Errorf("%s lives in %s, want %s", ip, got, want)
		}
	}
}

func TestAsFailure_TakesWhatItDoesNotKnowForAFault(t *testing.T) {
	own := &captcha.Failure{Kind: captcha.Throttled}
	if captcha.AsFailure(fmt.Errorf("asking: %w", own)) != own {
		t.Error("a wrapped failure is not found")
	}
	cause := errors.New("some cause")
	if f := captcha.AsFailure(cause); f.Kind != captcha.Fault || !f.FateUnknown || !errors.Is(f, cause) {
		t.Errorf("%+v", f)
	}
}

// A drill's share is of users: an address that changes at the user's will, or is
// written in another way, is the same user.
func TestTicket_NamesItsUser(t *testing.T) {
	name := func(ip, subject string) string {
		return string(captcha.Ticket{UserIP: netip.MustParseAddr(ip), Subject: subject}.AppendUser(nil))
	}
	for _, row := range []struct {
		what, a, b string
		same       bool
	}{
		{"a subject at two addresses", name("192.0.2.1", "alice"), name("2001:db8::1", "alice"), true},
		{"two subjects at one address", name("192.0.2.1", "alice"), name("192.0.2.1", "bob"), false},
		{"two addresses of one /64", name("2001:db8:1:2::3", ""), name("2001:db8:1:2:ffff::4", ""), true},
		{"two /64", name("2001:db8:1:2::3", ""), name("2001:db8:1:3::3", ""), false},
		{"two IPv4 addresses", name("192.0.2.1", ""), name("192.0.2.2", ""), false},
		{"an IPv4 address in IPv6", name("192.0.2.1", ""), name("::ffff:192.0.2.1", ""), true},
	} {
		if (row.a == row.b) != row.same || row.a == "" {
			t.Errorf("%s: %q and %q, want the same %t", row.what, row.a, row.b, row.same)
		}
	}
}
