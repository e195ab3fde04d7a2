package loadtest

import (
	"math"

	"captchagate/loadtest/scenario"
)

// WatchedAfter returns the seconds that were watched after the end of the i-th
// of a target's outages: until the next began, or the run ended. What did not
// come in them may have come later.
func WatchedAfter(outages []Outage, i int, end float64) float64 {
	if i+1 < len(outages) {
		end = outages[i+1].From
	}
	return max(end-outages[i].Until, 0)
}

// notWithin says how long an objective's event was waited for in vain, in the
// first outage that lacks it.
func (v *view) notWithin(o scenario.Objective) string {
	for i, one := range v.outages {
		came, watched := one.FastAfter, one.Until-one.From
		switch o.Measure.Name {
		case "fast again after":
		case "opens after":
			came = one.OpenAfter
		case "first verified after recovery":
			came, watched = one.VerifiedAfter, WatchedAfter(v.outages, i, v.length)
		case "normal after recovery":
			came, watched = one.NormalAfter, WatchedAfter(v.outages, i, v.length)
		default:
			return "never" // what is no length of time
		}
		switch {
		case came >= 0:
		case watched == 0:
			return "not watched"
		default:
			return "not within " + o.Show(math.Round(watched*1000))
		}
	}
	return "never"
}
