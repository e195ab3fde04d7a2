package breaker

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// firstShare of the users is sent on when recovery begins, and never fewer.
	firstShare = 0.05
	// rampStep is how often the share changes at most.
	rampStep = 200 * time.Millisecond
	// rampAnswers is how few calls that came back say something about a step.
	rampAnswers = 3
	// evenGrowth is by what part of itself the share grows in a step, where it does
	// not double.
	evenGrowth = 1.0 / 5
	// moreFaults is by how much the share of faults may be above the usual.
	moreFaults = 0.05
	// shortWait is a latency that is no strain, however quick the API usually is:
	// a line as short as this keeps an API busy that can do no more.
	shortWait = 2 * minWait
	// jitter is how much longer than usual calls may always take while the share
	// doubles.
	jitter = 10 * time.Millisecond
	// patience is after how many times cfg.Ramp only a latency of half of what is
	// slow is a strain: the yardstick may be of a time when fewer called.
	patience = 3
	// settles is how long everybody must have been sent on before the circuit
	// closes.
	settles = time.Second
)

// usual is what calls were like before an outage: the measure of a recovery.
type usual struct {
	median time.Duration // of the answers; 0 if it is not known
	faults float64       // share of the calls
}

// A ramp is how users come back: the share of them that is sent on. It grows with
// what comes back, as a TCP connection's window does: it doubles as long as all
// goes as it used to, is halved by a strain, and grows evenly from there. Where too
// few calls come back to say anything it grows with the clock. It has no clock of
// its own: every look at it moves it on.
type ramp struct {
	g        *generation
	inFlight *inFlight
	longest  time.Duration // from the first share to everybody, if nothing speaks
	over     atomic.Bool   // the circuit has closed

	mu       sync.Mutex
	share    float64
	evenly   float64       // growth of a step since the last strain; 0 while it doubles
	doubled  bool          // the last step ended so
	before   usual         // before the outage
	now      time.Duration // median latency of this recovery: first that of its probes
	calls    int           // of the steps before this one
	faults   int           // of those
	born     time.Time
	patient  bool      // it has lasted for long
	stood    float64   // share of the calls that stood at the smallest share
	step     rampTally // this step
	began    time.Time // this step
	sent     time.Time // when the calls were sent, at the earliest, that count in it
	looked   time.Time // at what came back, the last time
	standing int       // calls in flight when it was last judged
	lined    bool      // in the last step calls stood in line
	full     time.Time // since when everybody is sent on
}

// A rampTally is what came back in one step.
type rampTally struct {
	took   []time.Duration // answers
	faults int
}

func (t rampTally) calls() int { return len(t.took) + t.faults }

// newRamp is a ramp that begins now, and takes no longer than so long while all is
// well. probes is what those took that ended the outage.
func newRamp(g *generation, f *inFlight, before usual, probes, longest time.Duration, now time.Time) *ramp {
	return &ramp{
		g: g, inFlight: f, longest: max(longest, rampStep),
		share: firstShare, before: before, now: probes, born: now, began: now, sent: now, looked: now,
	}
}

// ended counts a call that came back, as long as the ramp is not over.
func (r *ramp) ended(c *call, took time.Duration, fault bool) {
	if r.over.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.started.Before(r.sent): // it says nothing about the share of today
	case fault:
		r.step.faults++
	default:
		r.step.took = append(r.step.took, took)
	}
}

// shareAt is the share of users that is sent on now.
func (r *ramp) shareAt(now time.Time) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.began) >= rampStep && now.Sub(r.looked) >= rampLook {
		r.moveOn(now)
	}
	return r.share
}

// settled reports whether everybody has been sent on, and all went well, for long
// enough to close the circuit. A line that stays for a whole ramp is the new usual.
func (r *ramp) settled(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full.IsZero() {
		return false
	}
	needed := settles
	if r.lined {
		needed = max(needed, r.longest)
	}
	return now.Sub(r.full) >= needed
}

// moveOn ends the step if enough came back to judge it, and else lets the clock
// have its way.
func (r *ramp) moveOn(now time.Time) {
	r.patient = now.Sub(r.born) >= patience*r.g.evidence.cfg.Ramp
	since := min(now.Sub(r.looked), 2*rampStep) // it may be we who stood still meanwhile
	r.looked = now
	standing := r.inFlight.standing(r.g, r.sent, now, r.strain())
	switch {
	case r.step.calls()+standing < rampAnswers:
		r.grow(r.overLongest(since), now)
		return
	case r.step.calls() == 0 && r.share <= firstShare:
		return // fewer cannot be sent: wait for what those that stand say
	}
	r.judge(standing, now)
	r.calls += r.step.calls()
	r.faults += r.step.faults
	r.step = rampTally{took: r.step.took[:0]}
	r.began = now
}

// judge changes the share by what came back in a step, and by how many calls stand.
func (r *ramp) judge(standing int, now time.Time) {
	if n := r.step.calls() + standing; r.share <= firstShare && len(r.step.took) > 0 {
		r.stood = max(r.stood, ratio(standing, n)) // not our load's doing
	}
	standing = max(standing-int(math.Ceil(r.stood*float64(r.step.calls()+standing))), 0)
	low, high := r.step.median(standing)
	if r.share <= firstShare && (low <= r.strain() || r.measure() == 0 && low < never) {
		r.now = max(r.now, low) // not our load's doing either: the probes may have been answered sooner
	}
	fewer := r.inFlight.count() < r.standing
	r.standing = r.inFlight.count()
	r.sent = r.began
	doubled := r.doubled
	r.doubled, r.lined = false, low > r.line()
	switch {
	case r.tooManyFaults() || low > r.strain() || doubled && r.lined:
		r.halve(low, fewer, now)
	case r.evenly > 0:
		r.grow(r.evenly, now)
	default:
		r.grow(r.share, now)
		r.doubled = true
	}
	r.now = min(r.now, high) // the API warms up, and is measured by that
}

// halve takes back half of the share: the API is strained. As long as fewer calls
// wait than before it is left the time to work them off. At the smallest share it
// cannot be our doing: that is how the API is now.
func (r *ramp) halve(low time.Duration, fewer bool, now time.Time) {
	switch {
	case r.share <= firstShare:
		if low < never {
			r.now = max(r.now, low)
		}
		r.evenly = 0
	case fewer && r.evenly > 0:
	default:
		r.share = max(r.share/2, firstShare)
		r.evenly = max(r.share*evenGrowth, r.overLongest(rampStep))
	}
	r.sent, r.full = now, time.Time{}
}

// overLongest is by how much the share grows in d where it takes the longest time.
func (r *ramp) overLongest(d time.Duration) float64 {
	return (1 - firstShare) * float64(d) / float64(r.longest)
}

func (r *ramp) grow(by float64, now time.Time) {
	r.share = min(r.share+by, 1)
	if r.share > 1-1e-9 && r.full.IsZero() {
		r.share, r.full = 1, now
	}
}

// measure is the latency that the API is held against.
func (r *ramp) measure() time.Duration { return max(r.before.median, r.now) }

// strain is the median latency from which on the API is strained.
func (r *ramp) strain() time.Duration {
	if r.patient { // it may be no line, but what calls take when there are many
		return max(2*r.measure(), r.g.evidence.cfg.SlowCall/2)
	}
	return max(2*r.measure(), shortWait)
}

// line is the median latency from which on calls stand in line.
func (r *ramp) line() time.Duration {
	return max(r.measure()*9/8, r.measure()+jitter)
}

// tooManyFaults reports whether more calls of the step met a fault than before the
// outage, and than in this recovery so far: by a handful, and beyond chance.
func (r *ramp) tooManyFaults() bool {
	most := min(max(r.before.faults, ratio(r.faults, r.calls))+moreFaults, 1)
	return r.step.faults >= minCanaryFaults && ratio(r.step.faults, r.step.calls()) > most+2*chance(most, r.step.calls())
}

// median of the answers and of the calls that stand, which take longer than any
// answer: between what it may be by chance.
func (t rampTally) median(standing int) (low, high time.Duration) {
	slices.Sort(t.took)
	n := len(t.took) + standing
	at := func(share float64) time.Duration {
		i := max(int(share*float64(n)), 0)
		switch {
		case n == 0:
			return 0
		case i < len(t.took):
			return t.took[i]
		}
		return never
	}
	strays := chance(0.5, n)
	return at(0.5 - strays), at(0.5 + strays)
}
