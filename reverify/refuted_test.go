package reverify_test

import (
	"net/netip"
	"testing"
	"time"

	"captchagate/reverify"
)

// refutedWorld has refuted one ticket of an address and a subject.
func refutedWorld(t *testing.T, ip, subject string, story func(w *world)) {
	t.Helper()
	inWorld(t, webhook, func(w *world) {
		w.api.codes["ticket-bad"] = 15
		w.lets("bad", func(e *reverify.Entry) {
			e.Ticket.UserIP, e.Ticket.Subject = netip.MustParseAddr(ip), subject
		})
		w.share.is(1)
		pass(10 * time.Second)
		story(w)
	})
}

func TestRefuted_NamesThePrefixAndTheSubject(t *testing.T) {
	for _, tt := range []struct {
		name         string
		ip, subject  string // of the bad ticket
		askIP, askOf string
		want         bool
	}{
		{"same address", "192.0.2.7", "alice", "192.0.2.7", "", true},
		{"same address, written as IPv6", "192.0.2.7", "", "::ffff:192.0.2.7", "", true},
		{"its neighbour", "192.0.2.7", "alice", "192.0.2.8", "", false},
		{"same subject elsewhere", "192.0.2.7", "alice", "198.51.100.1", "alice", true},
		{"another subject at the address", "192.0.2.7", "alice", "192.0.2.7", "bob", true},
		{"another subject elsewhere", "192.0.2.7", "alice", "198.51.100.1", "bob", false},
		{"no subject is not everybody", "192.0.2.7", "", "198.51.100.1", "", false},
		{"same /64", "2001:db8:1:2::1", "", "2001:db8:1:2:ffff::9", "", true},
		{"another /64", "2001:db8:1:2::1", "", "2001:db8:1:3::1", "", false},
		{"a subject that looks like a prefix", "192.0.2.7", "198.51.100.1/32", "198.51.100.1", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refutedWorld(t, tt.ip, tt.subject, func(w *world) {
				if got := w.q.Refuted(netip.MustParseAddr(tt.askIP), tt.askOf); got != tt.want {
					t.Errorf("refuted: %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestRefuted_LastsADayAcrossRestarts(t *testing.T) {
	refutedWorld(t, "192.0.2.7", "alice", func(w *world) {
		ip := netip.MustParseAddr("192.0.2.7")
		for range 2 {
			w.restart()
			if !w.q.Refuted(ip, "") || !w.q.Refuted(netip.Addr{}, "alice") {
				t.Error("forgotten by a restart")
			}
			pass(11 * time.Hour)
		}
		pass(2 * time.Hour)
		if w.q.Refuted(ip, "alice") {
			t.Error("still refuted after a day")
		}
		w.restart()
		if w.q.Refuted(ip, "alice") {
			t.Error("refuted again by a restart")
		}
	})
}

func TestRefuted_IsNobodyWhoWasConfirmedOrUnverifiable(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.api.codes["ticket-old"] = 8
		w.lets("good")
		w.lets("old")
		w.share.is(1)
		pass(10 * time.Second)
		e := entry("good")
		if w.q.Refuted(e.Ticket.UserIP, e.Ticket.Subject) {
			t.Error("refuted although nothing was found against them")
		}
	})
}

func TestRefuted_IsKeptOnceTheStoreCanBeWrittenAgain(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.api.codes["ticket-bad"] = 15
		moody := &moody{Store: w.kept}
		w.stop()
		w.kept = moody
		w.start()
		w.lets("bad")
		moody.refuses("reverify-refuted")
		w.share.is(1)
		pass(10 * time.Second)
		moody.refuses("")
		pass(2 * time.Second)
		w.restart()
		if e := entry("bad"); !w.q.Refuted(e.Ticket.UserIP, "") || !w.q.Refuted(netip.Addr{}, e.Ticket.Subject) {
			t.Error("forgotten")
		}
	})
}

func TestRefuted_IsForgottenInMemoryToo(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		refute := func(ticket, subject string) {
			w.api.codes["ticket-"+ticket] = 15
			w.lets(ticket, func(e *reverify.Entry) { e.Ticket.Subject = subject })
			pass(5 * time.Second)
		}
		w.share.is(1)
		refute("a", "alice")
		if n := w.q.RememberedRefuted(); n != 2 { // the address and the subject
			t.Errorf("%d are remembered, want 2", n)
		}
		pass(23 * time.Hour)
		refute("b", "bob")
		if n := w.q.RememberedRefuted(); n != 3 {
			t.Errorf("%d are remembered within a day, want 3", n)
		}
		pass(90 * time.Minute)
		refute("c", "carol")
		if n := w.q.RememberedRefuted(); n != 3 {
			t.Errorf("%d are remembered, want 3: alice's day is over", n)
		}
	})
}
