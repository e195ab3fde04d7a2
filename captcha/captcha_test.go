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
