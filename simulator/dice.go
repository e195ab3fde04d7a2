package simulator

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// dice are random numbers that a seed repeats and that need no lock: each is a
// bijective scramble (splitmix64) of a counter, so no two of a run are equal.
type dice struct {
	seed  uint64
	throw atomic.Uint64
}

func newDice(seed uint64) *dice {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return &dice{seed: seed}
}

func (d *dice) next() uint64 {
	z := d.seed + d.throw.Add(1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// hit says yes for the given share of throws. It throws only where the answer
// is open, so that whole faults do not disturb a seeded run.
func (d *dice) hit(share float64) bool {
	if share <= 0 || share >= 1 {
		return share >= 1
	}
	return float64(d.next()>>11)/(1<<53) < share
}

// upTo draws a duration from 0 to most.
func (d *dice) upTo(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(d.next() % uint64(most+1))
}
