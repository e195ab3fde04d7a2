package challenge_test

import (
	"fmt"
	"testing"
	"time"

	"captchagate/challenge"
)

// BenchmarkCheck shows what a solution costs beside its derivation (cost 100
// comes near to that) and at the default cost. Processors that know SHA-256
// take about a fourth of the others' time.
func BenchmarkCheck(b *testing.B) {
	for _, cost := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprint("cost=", cost), func(b *testing.B) {
			cfg := challenge.Config{Cost: cost, Expires: time.Hour}
			c, err := challenge.New(cfg, []challenge.Key{challenge.NewKey(secret)}, forgetful{})
			if err != nil {
				b.Fatal(err)
			}
			solution := solve(b, c.Issue(byUser(), 1)).encode(b)
			b.ReportAllocs()
			for b.Loop() {
				if r, err := c.Check(b.Context(), solution, byUser(), free{}); r.Outcome != challenge.Solved {
					b.Fatal(r, err)
				}
			}
		})
	}
}

// BenchmarkCheck_Refused is what a flood of solutions costs that are not ours,
// or used.
func BenchmarkCheck_Refused(b *testing.B) {
	stranger := newChallenger(b, new(memory), "another secret")
	c := newChallenger(b, new(memory))
	used := solve(b, c.Issue(byUser(), 1)).encode(b)
	_, _ = c.Check(b.Context(), used, byUser(), free{})
	for want, solution := range map[challenge.Outcome]string{
		challenge.Forged: solve(b, stranger.Issue(byUser(), 1)).encode(b),
		challenge.Spent:  used,
	} {
		b.Run(want.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r, _ := c.Check(b.Context(), solution, byUser(), free{}); r.Outcome != want {
					b.Fatal(r)
				}
			}
		})
	}
}
