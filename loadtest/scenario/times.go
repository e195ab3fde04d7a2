package scenario

import (
	"cmp"
	"math"
	"sort"
	"time"
)

// slack is how much of a request may be missing when one is due: less than the
// slowest rate sends in a nanosecond, and more than what adding up is off by.
const slack = 0.5e-9

// Requests says how many requests leave in a phase of that length.
func (r Rate) Requests(length time.Duration) int {
	if length <= 0 || r.first < 1 {
		return 0
	}
	if r.shape == constant {
		per := cmp.Or(r.per, time.Second)
		return int((time.Duration(r.first)*length + per - 1) / per)
	}
	last := r.due(length-1, length) // what is due with the end itself is the next phase's
	return 1 + int(math.Floor(last+slack))
}

// Times says when each request of a phase of that length leaves, counted from
// the phase's beginning. The first leaves with the beginning, the n-th once n-1
// are due. All are known before anything is sent, so that nothing that happens
// can move them. There are never more than MaxRequests.
func (r Rate) Times(length time.Duration) []time.Duration {
	times := make([]time.Duration, min(r.Requests(length), MaxRequests))
	from := time.Duration(0)
	for n := range times {
		from += time.Duration(sort.Search(int(length-from), func(wait int) bool {
			return r.due(from+time.Duration(wait), length) >= float64(n)-slack
		}))
		times[n] = from
	}
	return times
}

// due is how many requests are due by then in a phase of that length: the area
// under the rate.
func (r Rate) due(at, length time.Duration) float64 {
	t := float64(at)
	area := float64(r.first) * t // requests a second times nanoseconds, in whole numbers
	switch r.shape {
	case constant: // that is all
	case ramp:
		area += float64(r.second-r.first) * t * t / (2 * float64(length))
	case spike:
		area += float64(r.second-r.first) * float64(max(min(at, r.till)-r.from, 0))
	case sine:
		turn := 2 * math.Pi / float64(r.period)
		area -= float64(r.second) * math.Sin(turn*t) / turn
	}
	return area / float64(cmp.Or(r.per, time.Second))
}
