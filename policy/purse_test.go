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

func rate(n int, per time.Duration) policy.Rate { return policy.Rate{N: n, Per: per} }

func address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(10 + n>>24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// takes counts how many of n users get through.
func takes(p *policy.Purse, n int, who func(i int) (netip.Addr, string)) (got int) {
	for i := range n {
		if p.Take(who(i)) {
			got++
		}
	}
	return got
}

func TestPurse_BurstsAndRefills(t *testing.T) {
	one := func(int) (netip.Addr, string) { return address(1), "someone" }
	distinct := func(i int) (netip.Addr, string) { return address(i << 8), fmt.Sprint(i) }
	neighbour := func(i int) (netip.Addr, string) { return address(i % 256), "" }
	household := func(i int) (netip.Addr, string) {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i+1)), ""
	}
	site := func(i int) (netip.Addr, string) {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i+1)), ""
	}
	mapped := func(int) (netip.Addr, string) { return netip.MustParseAddr("::ffff:10.0.0.1"), "" }
	for name, c := range map[string]struct {
		cfg   policy.Budget
		who   func(int) (netip.Addr, string)
		burst int
		then  time.Duration
		again int
	}{
		"per address":               {policy.Budget{PerIP: rate(10, time.Minute)}, one, 10, 30 * time.Second, 5},
		"per address, mapped":       {policy.Budget{PerIP: rate(10, time.Minute)}, mapped, 10, 30 * time.Second, 5},
		"per subject":               {policy.Budget{PerSubject: rate(5, time.Minute)}, one, 5, time.Minute, 5},
		"total":                     {policy.Budget{Total: rate(200, time.Second)}, distinct, 200, 500 * time.Millisecond, 100},
		"per hour":                  {policy.Budget{Total: rate(60, time.Hour)}, distinct, 60, 10 * time.Minute, 10},
		"network of IPv4":           {policy.Budget{PerIP: rate(10, time.Minute)}, neighbour, 160, time.Minute, 160},
		"one /64":                   {policy.Budget{PerIP: rate(10, time.Minute)}, household, 10, time.Minute, 10},
		"one /48":                   {policy.Budget{PerIP: rate(10, time.Minute)}, site, 160, time.Minute, 160},
		"the tightest counts":       {policy.Budget{PerIP: rate(10, time.Minute), PerSubject: rate(3, time.Minute), Total: rate(5, time.Minute)}, one, 3, time.Minute, 3},
		"no limit, no refusal":      {policy.Budget{}, one, 1000, time.Second, 1000},
		"a longer pause is no more": {policy.Budget{Total: rate(10, time.Second)}, one, 10, time.Hour, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policy.NewPurse(c.cfg)
				if got := takes(p, 1000, c.who); got != c.burst {
					t.Errorf("at once %d got through, want %d", got, c.burst)
				}
				time.Sleep(c.then)
				if got := takes(p, 1000, c.who); got != c.again {
					t.Errorf("after %v %d got through, want %d", c.then, got, c.again)
				}
			})
		})
	}
}

// All buckets are checked before any is taken from.
func TestPurse_ARefusalTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewPurse(policy.Budget{PerIP: rate(1000, time.Hour), PerSubject: rate(2, time.Hour), Total: rate(10, time.Hour)})
		takes(p, 100, func(int) (netip.Addr, string) { return address(1), "greedy" })
		if got := takes(p, 100, func(i int) (netip.Addr, string) { return address(1), fmt.Sprint(i) }); got != 8 {
			t.Errorf("%d others got through, want the 8 that greedy left", got)
		}
	})
}

func TestPurse_IsExactUnderConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewPurse(policy.Budget{PerIP: rate(20, time.Second), Total: rate(500, time.Second)})
		var got atomic.Int64
		var wg sync.WaitGroup
		for g := range 64 {
			wg.Go(func() {
				for i := range 200 {
					if p.Take(address(g*200+i<<8), "") {
						got.Add(1)
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		wg.Wait() // 10 s: a burst of 500, then 500 a second
		if n := got.Load(); n < 5430 || n > 5500 {
			t.Errorf("%d got through, want 5,450 to 1 %%", n)
		}
	})
}

// The time limit ends an incident's passes; it begins anew after as long a time
// of normal mode.
func TestPurse_EndsAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewPurse(policy.Budget{Total: rate(1000, time.Second), For: 15 * time.Minute})
		take := func() bool { return p.Take(address(1), "") }
		p.Observe(true)
		if !take() {
			t.Fatal("the first was refused")
		}
		time.Sleep(15*time.Minute - time.Second)
		if !take() {
			t.Error("refused before the time was over")
		}
		time.Sleep(time.Second)
		if take() {
			t.Error("let through after the time")
		}
		p.Observe(false)
		time.Sleep(14 * time.Minute)
		p.Observe(true)
		if take() {
			t.Error("let through after too short a peace")
		}
		p.Observe(false)
		time.Sleep(15 * time.Minute)
		p.Observe(true)
		if !take() {
			t.Error("refused in the next incident")
		}
	})
}

func BenchmarkPurse(b *testing.B) {
	budget := policy.Budget{PerIP: rate(10, time.Minute), PerSubject: rate(5, time.Minute), Total: rate(1_000_000, time.Second)}
	b.Run("let through", func(b *testing.B) {
		p, n := policy.NewPurse(budget), 0
		b.ReportAllocs()
		for b.Loop() {
			n++
			p.Take(address(n<<8), "")
		}
	})
	b.Run("refused", func(b *testing.B) {
		p := policy.NewPurse(budget)
		b.ReportAllocs()
		for b.Loop() {
			p.Take(address(1), "someone")
		}
	})
}
