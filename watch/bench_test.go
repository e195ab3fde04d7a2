package watch_test

import (
	"testing"
	"time"

	"captchagate/watch"
)

func TestDecision_CostsNoAllocation(t *testing.T) {
	is, err := watch.NewIncidents(t.Context(), &shelf{}, nil, quiet)
	if err != nil {
		t.Fatal(err)
	}
	count := func() { is.CountAnswer(watch.Answer{Decision: "challenge", Cause: "circuit_open"}) }
	if n := testing.AllocsPerRun(100, count); n != 0 {
		t.Errorf("%v allocations in peace", n)
	}
	is.Begin(watch.KindCircuit, "faults", time.Now())
	if n := testing.AllocsPerRun(100, count); n != 0 {
		t.Errorf("%v allocations in an outage", n)
	}
}

func BenchmarkDecision(b *testing.B) {
	is, err := watch.NewIncidents(b.Context(), &shelf{}, nil, quiet)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("peace", func(b *testing.B) {
		for b.Loop() {
			is.CountAnswer(watch.Answer{Decision: "allow"})
		}
	})
	is.Begin(watch.KindCircuit, "faults", time.Now())
	b.Run("outage", func(b *testing.B) {
		for b.Loop() {
			is.CountAnswer(watch.Answer{Decision: "challenge", Cause: "circuit_open"})
		}
	})
	b.Run("outage, all cores", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				is.CountAnswer(watch.Answer{Decision: "challenge", Cause: "circuit_open"})
			}
		})
	})
}
