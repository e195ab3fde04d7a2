package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"captchagate/policy"
)

// An act is one thing that happens to a limiter.
type act struct {
	what    string
	wait    time.Duration
	ip      netip.Addr
	subject string
	times   int
}

func acts(cfg policy.Budget) *rapid.Generator[act] {
	ips := []string{
		"192.0.2.1", "192.0.2.2", "::ffff:192.0.2.2", "192.0.3.1", "198.51.100.1", "::ffff:198.51.100.7",
		"2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:2::1", "2001:db8:2::1", "fe80::1%eth0",
	}
	waits := []time.Duration{0, 1, time.Millisecond, time.Second - 1, time.Second, 6 * time.Second, time.Minute, 10 * time.Minute}
	for _, r := range []policy.Rate{cfg.PerIP, cfg.PerSubject, cfg.Total} {
		if !r.IsZero() {
			each := r.Per / time.Duration(r.N)
			waits = append(waits, each-1, each, each+1, each/16, r.Per)
		}
	}
	if cfg.For > 0 {
		waits = append(waits, cfg.For-1, cfg.For, cfg.For/2)
	}
	return rapid.Custom(func(t *rapid.T) act {
		return act{
			what:    rapid.SampledFrom([]string{"take", "take", "take", "take", "take", "degraded", "normal", "day"}).Draw(t, "what"),
			wait:    rapid.SampledFrom(waits).Draw(t, "wait"),
			ip:      netip.MustParseAddr(rapid.SampledFrom(ips).Draw(t, "ip")),
			subject: rapid.SampledFrom([]string{"", "", "a", "b", "c"}).Draw(t, "subject"),
			times:   rapid.IntRange(1, 20).Draw(t, "times"),
		}
	})
}

// rates divide their unit of time, so that there is nothing to round.
func rates() *rapid.Generator[policy.Rate] {
	return rapid.Custom(func(t *rapid.T) policy.Rate {
		n := rapid.SampledFrom([]int{0, 1, 2, 4, 5, 10, 20, 100}).Draw(t, "n")
		if n == 0 {
			return policy.Rate{}
		}
		return per(n, rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "per"))
	})
}

// Whatever happens in whatever order, a limiter says what its model says.
func TestLimiter_IsAsItsModel(t *testing.T) {
	var told tally
	rapid.Check(t, func(rt *rapid.T) {
		cfg := policy.Budget{
			PerIP: rates().Draw(rt, "per ip"), PerSubject: rates().Draw(rt, "per subject"), Total: rates().Draw(rt, "total"),
			For: rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, time.Hour}).Draw(rt, "for"),
		}
		most := rapid.SampledFrom([]int{0, 2, 3, 5, 8, 16, 1000}).Draw(rt, "most")
		story := rapid.SliceOfN(acts(cfg), 1, 60).Draw(rt, "story")
		wrong := "the bubble failed"
		synctest.Test(t, func(*testing.T) { wrong = told.compare(cfg, most, story) })
		if wrong != "" {
			rt.Fatalf("%+v with %d entries at most: %s", cfg, most, wrong)
		}
	})
	if !t.Failed() && (told.lets < 100 || told.refuses < 100) {
		t.Errorf("%d were let in and %d refused: the stories are too dull to tell", told.lets, told.refuses)
	}
}

// A tally counts what the stories came to.
type tally struct{ lets, refuses int }

// compare plays a story and returns where limiter and model differ.
func (c *tally) compare(cfg policy.Budget, most int, story []act) (wrong string) {
	p, m := policy.NewBoundedLimiter(cfg, most), newModel(cfg, most)
	for i, a := range story {
		time.Sleep(a.wait)
		switch {
		case a.what == "degraded" || a.what == "normal":
			standing := in()
			if a.what == "degraded" {
				standing = in(policy.LastingCircuit)
			}
			p.Observe(standing)
			m.observe(a.what == "degraded")
		case a.what == "day" && a.times == 1:
			time.Sleep(24 * time.Hour)
		case a.what == "take":
			for range a.times {
				under := policy.LastingCircuit
				if m.inPeace() {
					under = policy.NotLasting
				}
				got, want := p.Take(under, a.ip, a.subject), m.take(a.ip, a.subject)
				if got != want || p.Entries() > most {
					return fmt.Sprintf("act %d, %+v: let in %v, want %v; %d entries", i+1, a, got, want, p.Entries())
				}
				c.count(got)
			}
		}
	}
	return ""
}

func (c *tally) count(let bool) {
	if let {
		c.lets++
	} else {
		c.refuses++
	}
}
