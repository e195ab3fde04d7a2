package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/policy"
)

func perSecond(n int) policy.Rate { return policy.Rate{N: n, Per: time.Second} }

var shared = policy.Budget{PerIP: policy.Rate{N: 10, Per: time.Minute}, PerSubject: policy.Rate{N: 5, Per: time.Minute}, Total: perSecond(200), For: 15 * time.Minute}

// Instances with one key name and measure alike what a pass takes, and nobody sees from a
// name whose it is (F9).
func TestLimiter_BillsAlikeOnAllInstances(t *testing.T) {
	key := []byte("of the fleet")
	one, _ := policy.NewLimiter(shared, key).Bill(policy.LastingCircuit, alice, "alice")
	two, ok := policy.NewLimiter(shared, key).Bill(policy.LastingCircuit, alice, "alice")
	if !ok || len(one.Buckets) != 4 || fmt.Sprint(one.Buckets) != fmt.Sprint(two.Buckets) {
		t.Errorf("the buckets are %v and %v", one.Buckets, two.Buckets)
	}
	const second = 16_000_000
	for i, want := range []policy.Bucket{
		{Interval: 6 * second, Burst: 60 * second}, {Interval: 6 * second / 16, Burst: 60 * second},
		{Interval: 12 * second, Burst: 60 * second}, {Name: "total", Interval: second / 200, Burst: second},
	} {
		got := one.Buckets[i]
		if want.Name == "" {
			want.Name = got.Name
		}
		if got != want {
			t.Errorf("bucket %d is %+v, want %+v", i, got, want)
		}
	}
	if one.For != 15*60*second || one.Begun != -1 || one.Renewed != -1 {
		t.Errorf("the time is %+v", one)
	}
	other, _ := policy.NewLimiter(shared, []byte("of another")).Bill(policy.LastingCircuit, alice, "alice")
	if other.Buckets[0].Name == one.Buckets[0].Name {
		t.Error("a name does not depend on the key")
	}
	if b, ok := policy.NewLimiter(shared, key).Bill(policy.LastingCircuit, netip.Addr{}, ""); ok {
		t.Errorf("nobody's address is billed %+v", b)
	}
}

// What the fleet refused an instance refuses by itself until then, and asks again
// afterwards.
func TestLimiter_RefusesUntilTheFleetMayHaveATokenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const second = 16_000_000
		l := policy.NewLimiter(policy.Budget{Total: perSecond(10), For: time.Hour}, nil)
		b, ok := l.Bill(policy.NotLasting, alice, "")
		if !ok {
			t.Fatal("a full budget refuses")
		}
		l.Settle(b, []int64{second}, -1, false, 3) // empty: full in a second, and so a token in a tenth
		if _, ok := l.Bill(policy.NotLasting, alice, ""); ok {
			t.Error("asks for what the fleet has just refused")
		}
		time.Sleep(100*time.Millisecond - 1)
		if _, ok := l.Bill(policy.NotLasting, alice, ""); ok {
			t.Error("asks too early")
		}
		time.Sleep(1)
		if _, ok := l.Bill(policy.NotLasting, alice, ""); !ok {
			t.Error("asks too late")
		}
	})
}

// So it does with what the fleet refused of one address, and of nobody else's (F9).
func TestLimiter_RefusesAnAddressUntilItMayHaveATokenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const second = 16_000_000
		l := policy.NewLimiter(policy.Budget{PerIP: policy.Rate{N: 10, Per: time.Minute}, Total: perSecond(200), For: time.Hour}, nil)
		b, _ := l.Bill(policy.NotLasting, alice, "")
		l.Settle(b, []int64{60 * second}, -1, false, 3) // its own is empty: a token in six seconds
		if _, ok := l.Bill(policy.NotLasting, alice, ""); ok {
			t.Error("asks for what the fleet has just refused")
		}
		if _, ok := l.Bill(policy.NotLasting, netip.MustParseAddr("198.51.100.9"), ""); !ok {
			t.Error("refuses somebody else")
		}
		time.Sleep(6 * time.Second)
		if _, ok := l.Bill(policy.NotLasting, alice, ""); !ok {
			t.Error("asks too late")
		}
	})
}

// The time of a cause that the fleet began holds here too, with what is left of it, and
// an absence that was long enough is told (S2).
func TestLimiter_SharesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const second = 16_000_000
		l := policy.NewLimiter(shared, nil)
		l.Observe(policy.Standing{policy.LastingCircuit: true})
		bill := func() (policy.Bill, bool) { return l.Bill(policy.LastingCircuit, alice, "") }
		b, _ := bill()
		l.Settle(b, nil, 10*60*second, true, 1) // another instance began ten minutes ago
		time.Sleep(time.Minute)
		if b, ok := bill(); !ok || b.Begun != 11*60*second || b.Renewed != -1 {
			t.Errorf("after 11 of 15 minutes: %+v %v", b, ok)
		}
		time.Sleep(4 * time.Minute)
		if _, ok := bill(); ok {
			t.Error("passes after 15 of 15 minutes")
		}
		l.Observe(policy.Standing{})
		time.Sleep(20 * time.Minute)
		l.Observe(policy.Standing{policy.LastingCircuit: true})
		if b, ok := bill(); !ok || b.Begun != -1 || b.Renewed != 5*60*second {
			t.Errorf("after 20 minutes without the cause: %+v %v", b, ok)
		}
	})
}

// Without the others an instance gives its part: of the rate exactly, of many tokens at
// once as many, and one at least; what it gave with them before counts (F9).
func TestLimiter_GivesItsPartAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := policy.NewLimiter(policy.Budget{PerIP: policy.Rate{N: 2, Per: time.Minute}, Total: perSecond(30), For: time.Hour}, nil)
		user := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i), byte(i >> 8), 1}) }
		taken, n := 0, 0
		flood := func(tries int) {
			for range tries {
				n++
				if l.TakePart(policy.NotLasting, user(n), "", 3) {
					taken++
				}
			}
		}
		for range 4 { // given with the others
			n++
			b, _ := l.Bill(policy.NotLasting, user(n), "")
			l.Settle(b, nil, -1, true, 3)
		}
		if flood(100); taken != 6 {
			t.Errorf("%d at once, want 6 of a third of 30, of which 4 were given", taken)
		}
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			flood(10)
		}
		if taken < 105 || taken > 107 {
			t.Errorf("%d in ten seconds, want 106", taken)
		}
		if l.TakePart(policy.NotLasting, user(n), "", 0) {
			t.Error("an instance that never heard of others lets somebody in")
		}
		time.Sleep(time.Minute)
		if !l.TakePart(policy.NotLasting, alice, "", 3) || l.TakePart(policy.NotLasting, alice, "", 3) {
			t.Error("an address has not one token of a third of 2")
		}
	})
}

// What other instances know of a ticket decides about it as what this one knows does:
// a refusal (A7), and a disaster ticket that was seen (S1).
func TestPolicy_HeedsWhatOtherInstancesKnow(t *testing.T) {
	w := newWorld(policy.Scene{Degraded: policy.Allow, Budget: shared})
	w.fails = captcha.CircuitOpen
	gate := w.policy()
	decide := func(r policy.Request) string { return words(gate.Decide(t.Context(), r)) }
	w.elsewhere = func(p policy.Pass) policy.Outcome {
		w.refusals.Add(p.Refusals()[0])
		return policy.Refused
	}
	if got := decide(ticket(1)); got != "deny malicious normal" {
		t.Errorf("a ticket that another instance knows for malicious: %s", got)
	}
	w.elsewhere = func(policy.Pass) policy.Outcome { return policy.Refused }
	if got := decide(ticket(2)); got != "deny rejected normal" {
		t.Errorf("a ticket that another instance knows for refused: %s", got)
	}
	w.scriptDown = true
	w.elsewhere = func(p policy.Pass) policy.Outcome {
		if p.On != policy.OnDisasterTicket || p.Held == (captcha.Key{}) || p.Refusals != nil {
			t.Errorf("the pass is %+v", p)
		}
		return policy.Spent
	}
	r := ticket(3)
	r.Ticket.Randstr = ""
	r.Ticket.Value = fmt.Sprintf("trerror_1001_%d_%d", ourApp, time.Now().Unix())
	if got := decide(r); got != "challenge challenge_required degraded disaster_ticket" || w.factor != 4 {
		t.Errorf("a disaster ticket that another instance has seen: %s, %d times as dear", got, w.factor)
	}
}
