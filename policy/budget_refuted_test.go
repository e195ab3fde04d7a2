package policy_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/policy"
)

const day = 24 * time.Hour

func TestRefuted_HasNoBudget(t *testing.T) {
	plenty := policy.Budget{PerIP: per(1000, time.Second), Total: per(1000, time.Second)}
	for name, c := range map[string]struct {
		ip, subject string // who was refuted
		asks        string // the address that asks
		as          string
		after       time.Duration
		lets        bool
	}{
		"the address":                    {"192.0.2.1", "bot", "192.0.2.1", "", 0, false},
		"the address as someone else":    {"192.0.2.1", "bot", "192.0.2.1", "someone", 0, false},
		"the address, mapped":            {"192.0.2.1", "bot", "::ffff:192.0.2.1", "", 0, false},
		"the subject from elsewhere":     {"192.0.2.1", "bot", "198.51.100.1", "bot", 0, false},
		"the last moment of the day":     {"192.0.2.1", "bot", "192.0.2.1", "bot", day - 1, false},
		"the day after":                  {"192.0.2.1", "bot", "192.0.2.1", "bot", day, true},
		"the neighbour":                  {"192.0.2.1", "bot", "192.0.2.2", "someone", 0, true},
		"the household of IPv6":          {"2001:db8:1:2::1", "", "2001:db8:1:2:ffff::9", "", 0, false},
		"the next household of IPv6":     {"2001:db8:1:2::1", "", "2001:db8:1:3::1", "", 0, true},
		"no subject is nobody's subject": {"192.0.2.1", "", "198.51.100.1", "", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refuted := policy.NewRefuted()
				one := policy.NewBoundedPurse(plenty, 1000, refuted)
				unlimited := policy.NewBoundedPurse(policy.Budget{}, 1000, refuted)
				if !refuted.Refute(netip.MustParseAddr(c.ip), c.subject) {
					t.Fatal("an empty list had no room")
				}
				time.Sleep(c.after)
				for kind, p := range map[string]*policy.Purse{"a budget": one, "no limit": unlimited} {
					if got := p.Take(netip.MustParseAddr(c.asks), c.as); got != c.lets {
						t.Errorf("of %s: let in %v, want %v", kind, got, c.lets)
					}
				}
			})
		})
	}
}

// Refuted again, the day begins anew.
func TestRefuted_CountsFromTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuted := policy.NewRefuted()
		refuted.Refute(visitor(1), "bot")
		time.Sleep(20 * time.Hour)
		refuted.Refute(visitor(1), "")
		time.Sleep(20 * time.Hour)
		if !refuted.Has(visitor(1), "") {
			t.Error("the address has its budget back too early")
		}
		if refuted.Has(visitor(2), "bot") {
			t.Error("the subject was not refuted again, and is held")
		}
		time.Sleep(4 * time.Hour)
		if refuted.Has(visitor(1), "bot") {
			t.Error("the address is held for longer than a day")
		}
	})
}

// Beyond its bound nobody is forgotten: everybody is held.
func TestRefuted_HoldsEverybodyWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuted := policy.NewBoundedRefuted(100)
		for i := range 50 {
			if !refuted.Refute(visitor(i), subject(i)) {
				t.Fatalf("no room for the %d-th", i+1)
			}
		}
		if refuted.Has(visitor(1000), "innocent") {
			t.Fatal("a full list holds whom it does not hold")
		}
		time.Sleep(time.Hour)
		if !refuted.Refute(visitor(1), subject(1)) {
			t.Error("no room for one who is there")
		}
		if refuted.Refute(visitor(50), subject(50)) {
			t.Fatal("there was room beyond the bound")
		}
		if refuted.Entries() != 100 {
			t.Errorf("%d entries, want 100", refuted.Entries())
		}
		time.Sleep(day - 1)
		if !refuted.Has(visitor(50), "") || !refuted.Has(visitor(1000), "innocent") {
			t.Error("let in somebody while one is not remembered")
		}
		time.Sleep(1)
		if refuted.Has(visitor(50), "") || refuted.Has(visitor(1000), "innocent") {
			t.Error("holds everybody for longer than a day")
		}
		if !refuted.Refute(visitor(51), "") {
			t.Error("no room after a day")
		}
	})
}

// No list holds nobody.
func TestRefuted_MayBeNil(t *testing.T) {
	var none *policy.Refuted
	if none.Has(visitor(1), "a") {
		t.Error("nobody was refuted")
	}
}
