package simulator

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// random draws numbers that a seed repeats, without a lock: each is a
// bijective scramble (splitmix64) of a counter, so no two of a run are equal.
type random struct {
	seed  uint64
	drawn atomic.Uint64
}

func newRandom(seed uint64) *random {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return &random{seed: seed}
}

func (r *random) next() uint64 {
	z := r.seed + r.drawn.Add(1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// chance is true for the given share of draws. It draws only if the answer is
// open, so that whole faults do not disturb a seeded run.
func (r *random) chance(share float64) bool {
	if share <= 0 || share >= 1 {
		return share >= 1
	}
	return float64(r.next()>>11)/(1<<53) < share
}

// upTo draws a duration from 0 to limit.
func (r *random) upTo(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(r.next() % uint64(limit+1))
}
