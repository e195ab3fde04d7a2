package policy_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/policy"
)

// per is n a unit of time.
func per(n int, unit time.Duration) policy.Rate { return policy.Rate{N: n, Per: unit} }

// visitor is the i-th user: of a network of IPv4 to themselves, up to 2^24.
func visitor(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 7})
}

// take takes a token in an outage.
func take(p *policy.Limiter) func(ip netip.Addr, subject string) bool {
	return func(ip netip.Addr, subject string) bool { return p.Take(policy.LastingCircuit, ip, subject) }
}

// admitted counts how many of n users one after the other get through.
func admitted(p *policy.Limiter, n int, who func(i int) (netip.Addr, string)) (got int) {
	for i := range n {
		if take(p)(who(i)) {
			got++
		}
	}
	return got
}

// always is the same user each time.
func always(ip, subject string) func(int) (netip.Addr, string) {
	addr := netip.MustParseAddr(ip)
	return func(int) (netip.Addr, string) { return addr, subject }
}

// each is another user each time, whose address the format makes.
func each(format string) func(int) (netip.Addr, string) {
	return func(i int) (netip.Addr, string) {
		return netip.MustParseAddr(fmt.Sprintf(format, i)), fmt.Sprint("user ", i)
	}
}

func TestLimiter_GivesABurstAndRefills(t *testing.T) {
	perIP := policy.Budget{PerIP: per(10, time.Minute)}
	total := func(r policy.Rate) policy.Budget { return policy.Budget{Total: r} }
	for name, c := range map[string]struct {
		cfg   policy.Budget
		who   func(int) (netip.Addr, string)
		burst int
		after time.Duration
		again int
	}{
		"an address":                     {perIP, always("192.0.2.1", "a"), 10, 6 * time.Second, 1},
		"an address, a moment early":     {perIP, always("192.0.2.1", "a"), 10, 6*time.Second - 1, 0},
		"an address, full again":         {perIP, always("192.0.2.1", "a"), 10, time.Minute, 10},
		"an address after a long time":   {perIP, always("192.0.2.1", "a"), 10, time.Hour, 10},
		"an address with many accounts":  {perIP, func(i int) (netip.Addr, string) { return visitor(1), fmt.Sprint(i) }, 10, 6 * time.Second, 1},
		"addresses of one /24":           {perIP, each("192.0.2.%d"), 160, time.Minute, 160},
		"addresses of one /64":           {perIP, each("2001:db8:1:2::%x"), 10, time.Minute, 10},
		"networks of one /48":            {perIP, each("2001:db8:1:%x00::1"), 160, time.Minute, 160},
		"networks beyond one /48":        {perIP, each("2001:db8:%x::1"), 250, time.Minute, 250},
		"addresses beyond one /24":       {perIP, each("192.0.%d.1"), 250, time.Minute, 250},
		"IPv4 mapped, of one /24":        {perIP, each("::ffff:192.0.2.%d"), 160, time.Minute, 160},
		"an account":                     {policy.Budget{PerSubject: per(5, time.Minute)}, func(i int) (netip.Addr, string) { return visitor(i), "a" }, 5, 12 * time.Second, 1},
		"nobody's account":               {policy.Budget{PerSubject: per(5, time.Minute)}, always("192.0.2.1", ""), 250, time.Minute, 250},
		"the total a second":             {total(per(200, time.Second)), each("192.0.2.%d"), 200, 5 * time.Millisecond, 1},
		"the total an hour":              {total(per(60, time.Hour)), each("192.0.2.%d"), 60, 10 * time.Minute, 10},
		"a total that does not divide":   {total(per(7, time.Second)), each("192.0.2.%d"), 7, time.Second, 6}, // 7 a little later
		"the least of several":           {policy.Budget{PerIP: per(10, time.Minute), PerSubject: per(3, time.Minute), Total: per(5, time.Minute)}, always("192.0.2.1", "a"), 3, time.Minute, 3},
		"no limit":                       {policy.Budget{}, always("192.0.2.1", "a"), 250, time.Minute, 250},
		"a rate of nothing":              {total(per(0, time.Minute)), each("192.0.2.%d"), 0, time.Hour, 0},
		"a rate of nothing, per address": {policy.Budget{PerIP: per(0, time.Minute)}, each("192.0.2.%d"), 0, time.Hour, 0},
		"an invalid address":             {policy.Budget{}, func(int) (netip.Addr, string) { return netip.Addr{}, "a" }, 0, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policy.NewLimiter(c.cfg, nil)
				if got := admitted(p, 250, c.who); got != c.burst {
					t.Errorf("at once %d of 250 got through, want %d", got, c.burst)
				}
				time.Sleep(c.after)
				if got := admitted(p, 250, c.who); got != c.again {
					t.Errorf("%v later %d of 250 got through, want %d", c.after, got, c.again)
				}
			})
		})
	}
}

// The same address written as IPv4 and as IPv6 has one budget.
func TestLimiter_KnowsAMappedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewLimiter(policy.Budget{PerIP: per(10, time.Minute)}, nil)
		admitted(p, 10, always("192.0.2.1", ""))
		if p.Take(policy.LastingCircuit, netip.MustParseAddr("::ffff:192.0.2.1"), "") {
			t.Error("the address got more by another spelling")
		}
		admitted(p, 10, always("fe80::1%eth0", ""))
		if p.Take(policy.LastingCircuit, netip.MustParseAddr("fe80::1%eth1"), "") {
			t.Error("the address got more by another zone")
		}
	})
}

// Rates that do not divide into whole units of time are met to 1 in 1,000, and
// never exceeded.
func TestLimiter_IsExactOverTime(t *testing.T) {
	for _, r := range []policy.Rate{per(7, time.Second), per(999, time.Second), per(4999, time.Second), per(1000, time.Minute), per(9_999, time.Hour)} {
		t.Run(r.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policy.NewLimiter(policy.Budget{Total: r}, nil)
				got, spell := admitted(p, r.N+1, always("192.0.2.1", "")), r.Per/time.Duration(r.N)/3
				for range 3 * r.N {
					time.Sleep(spell)
					got += admitted(p, 1, always("192.0.2.1", ""))
				}
				if got > 2*r.N || got < 2*r.N-1-r.N/1000 {
					t.Errorf("%d got through in a burst and the time of another, want %d", got, 2*r.N)
				}
			})
		})
	}
}

// The highest rates have less than a nanosecond to round: what a network gets
// of 992,000 a second for each address.
func TestLimiter_IsExactAtTheHighestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const want = 16 * 992
		p := policy.NewLimiter(policy.Budget{PerIP: per(992, time.Millisecond)}, nil)
		neighbour := func(i int) (netip.Addr, string) { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), "" }
		for _, when := range []string{"at once", "a millisecond later", "two later"} {
			if got := admitted(p, 2*want, neighbour); got > want || got < want*999/1000 {
				t.Errorf("%s %d got through, want %d", when, got, want)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// All buckets are checked before any is taken from: whichever refuses, the
// others are as they were.
func TestLimiter_TakesNothingWhereItRefuses(t *testing.T) {
	cfg := policy.Budget{PerIP: per(10, time.Hour), PerSubject: per(10, time.Hour), Total: per(200, time.Hour)}
	spend := func(p *policy.Limiter, n int, who func(int) (netip.Addr, string)) {
		if got := admitted(p, n, who); got != n {
			panic(fmt.Sprintf("only %d of %d got through", got, n))
		}
	}
	for name, c := range map[string]struct {
		spend func(p *policy.Limiter)          // until one bucket is empty
		tries func(i int) (netip.Addr, string) // are all refused by it
		then  func(i int) (netip.Addr, string) // do not meet it, but the others
		want  int                              // as if nobody had tried
	}{
		"the address": {
			spend: func(p *policy.Limiter) { spend(p, 10, always("192.0.2.1", "spender")) },
			tries: always("192.0.2.1", "victim"),
			then:  always("198.51.100.1", "victim"), want: 10,
		},
		"the network": {
			spend: func(p *policy.Limiter) {
				spend(p, 160, func(i int) (netip.Addr, string) {
					return netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + i/10)}), ""
				})
			},
			tries: always("192.0.2.1", "victim"),
			then:  always("198.51.100.1", "victim"), want: 10,
		},
		"the account": {
			spend: func(p *policy.Limiter) {
				spend(p, 10, func(i int) (netip.Addr, string) { return visitor(i), "spender" })
			},
			tries: always("192.0.2.1", "spender"),
			then:  always("192.0.2.1", "other"), want: 10,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policy.NewLimiter(cfg, nil)
				c.spend(p)
				before := p.Entries()
				if got := admitted(p, 100, c.tries); got != 0 {
					t.Fatalf("%d got through an empty bucket", got)
				}
				if after := p.Entries(); after != before {
					t.Errorf("refusals left %d entries", after-before)
				}
				if got := admitted(p, 100, c.then); got != c.want {
					t.Errorf("%d got through afterwards, want %d", got, c.want)
				}
			})
		})
	}
}

// Who is refused for want of total has lost nothing once there is some again.
func TestLimiter_TotalRefusesWithoutCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewLimiter(policy.Budget{PerIP: per(5, time.Hour), PerSubject: per(5, time.Hour), Total: per(20, time.Second)}, nil)
		admitted(p, 20, func(i int) (netip.Addr, string) { return visitor(i), "" })
		if got := admitted(p, 1000, always("192.0.2.1", "late")); got != 0 {
			t.Fatalf("%d got through beyond the total", got)
		}
		time.Sleep(time.Second)
		if got := admitted(p, 20, always("192.0.2.1", "late")); got != 5 {
			t.Errorf("%d got through a second later, want 5", got)
		}
	})
}

func TestLimiter_IsExactUnderConcurrency(t *testing.T) {
	for name, c := range map[string]struct {
		cfg    policy.Budget
		who    func(goroutine, i int) netip.Addr
		for10s int
	}{
		"total":   {policy.Budget{Total: per(500, time.Second)}, func(g, i int) netip.Addr { return visitor(g<<12 | i) }, 5500},
		"address": {policy.Budget{PerIP: per(100, time.Second)}, func(int, int) netip.Addr { return visitor(1) }, 1100},
		"network": {policy.Budget{PerIP: per(20, time.Second)}, func(g, _ int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(g)}) }, 3520},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policy.NewLimiter(c.cfg, nil)
				var got atomic.Int64
				var all sync.WaitGroup
				for g := range 64 {
					all.Go(func() {
						for i := range 1000 { // 6,400 a second for 10 s
							if p.Take(policy.LastingCircuit, c.who(g, i), "") {
								got.Add(1)
							}
							time.Sleep(10 * time.Millisecond)
						}
					})
				}
				all.Wait()
				if n := int(got.Load()); n > c.for10s || n < c.for10s*99/100 {
					t.Errorf("%d got through, want %d to 1 %%", n, c.for10s)
				}
			})
		})
	}
}

// At one moment, however many ask for it.
func TestLimiter_GivesABurstOnceAmongMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewLimiter(policy.Budget{PerIP: per(100, time.Hour), Total: per(1000, time.Hour)}, nil)
		var got atomic.Int64
		var all sync.WaitGroup
		for g := range 64 {
			all.Go(func() {
				got.Add(int64(admitted(p, 1000, func(i int) (netip.Addr, string) { return visitor((g + i) % 8), "" })))
			})
		}
		all.Wait()
		if got.Load() != 800 {
			t.Errorf("%d got through, want 100 for each of 8 addresses", got.Load())
		}
	})
}
