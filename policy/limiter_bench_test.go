package policy_test

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/policy"
)

var benchmarked = policy.Budget{
	PerIP: per(1_000_000, time.Second), PerSubject: per(1_000_000, time.Second), For: time.Hour,
}

// crowd is 4,096 users.
func crowd() (ips [4096]netip.Addr, subjects [4096]string) {
	for i := range ips {
		ips[i], subjects[i] = visitor(i), subject(i)
	}
	return ips, subjects
}

func BenchmarkLimiter_Take(b *testing.B) {
	none := per(1, 240*time.Hour)
	for name, c := range map[string]struct {
		cfg  policy.Budget
		lets bool
	}{
		"allowed":            {benchmarked, true},
		"refused by total":   {policy.Budget{PerIP: per(10, time.Minute), Total: none}, false},
		"refused by address": {policy.Budget{PerIP: none, PerSubject: benchmarked.PerSubject}, false},
	} {
		ips, subjects := crowd()
		b.Run(name, func(b *testing.B) {
			p := policy.NewBoundedLimiter(c.cfg, 1<<20)
			for _, ip := range ips {
				p.Take(policy.LastingCircuit, ip, "")
			}
			b.ReportAllocs()
			i, wrong := 0, 0
			for b.Loop() {
				i++
				if p.Take(policy.LastingCircuit, ips[i%len(ips)], subjects[i%len(ips)]) != c.lets {
					wrong++
				}
			}
			if wrong > b.N/100 {
				b.Errorf("%d of %d answers are wrong", wrong, b.N)
			}
		})
		b.Run(name+", parallel", func(b *testing.B) {
			p := policy.NewBoundedLimiter(c.cfg, 1<<20)
			var next atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				i := int(next.Add(1)) * 1000
				for pb.Next() {
					i++
					p.Take(policy.LastingCircuit, ips[i%len(ips)], subjects[i%len(ips)])
				}
			})
		})
	}
}

// Each user is new, and each stays for the 6 s that 10/m takes to come back.
func BenchmarkLimiter_Newcomers(b *testing.B) {
	p := policy.NewLimiter(policy.Budget{PerIP: per(10, time.Minute), Total: per(1_000_000, time.Second)}, nil)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		p.Take(policy.LastingCircuit, scattered(i), "")
	}
	b.ReportMetric(float64(p.Entries()), "entries")
}
