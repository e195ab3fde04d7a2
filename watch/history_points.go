package watch

import (
	"context"
	"math"
	"slices"
	"time"
)

// Durations are counted in classes, each 9 % wider than the one before it.
const (
	durations        = 160
	shortestDuration = 100 * time.Microsecond // the first class
	classesAnOctave  = 8
)

func durationOf(d time.Duration) int {
	if d <= shortestDuration {
		return 0
	}
	return min(int(classesAnOctave*math.Log2(float64(d)/float64(shortestDuration))), durations-1)
}

// middle is the duration in the middle of a class, in milliseconds.
func middle(class int) float32 {
	return float32(shortestDuration.Seconds() * 1000 * math.Exp2((float64(class)+0.5)/classesAnOctave))
}

// A reading is how things were counted at a moment.
type reading struct {
	counted [counters]uint64
	took    [durations]uint64
}

func (h *History) read() (r reading) {
	for i := range r.counted {
		r.counted[i] = h.counted[i].Load()
	}
	for i := range r.took {
		r.took[i] = h.took[i].Load()
	}
	return r
}

// A standing is a Standing as places in its words.
type standing struct{ state, mode uint8 }

func (s standing) worse(t standing) standing {
	return standing{max(s.state, t.state), max(s.mode, t.mode)}
}

// A point is a Point as it is kept: 80 bytes.
type point struct {
	at       int64 // Unix seconds
	counted  [counters]uint32
	p50, p99 int16 // classes; -1 if no call ended
	standing standing
}

// pointBetween is what happened between two readings.
func pointBetween(at time.Time, was, is *reading, s standing) point {
	p := point{at: at.Unix(), standing: s}
	for i := range p.counted {
		p.counted[i] = uint32(is.counted[i] - was.counted[i])
	}
	took := is.took
	for i := range took {
		took[i] -= was.took[i]
	}
	p.p50, p.p99 = classAt(&took, 0.5), classAt(&took, 0.99)
	return p
}

// classAt is the class that the given share of the calls does not exceed.
func classAt(took *[durations]uint64, share float64) int16 {
	var all, so uint64
	for _, n := range took {
		all += n
	}
	rank := uint64(math.Ceil(share * float64(all)))
	for class, n := range took {
		if so += n; n > 0 && so >= rank {
			return int16(class)
		}
	}
	return -1
}

func (p *point) shown() Point {
	n := &p.counted
	by := func(at int) ByMode { return ByMode{n[at], n[at+1]} }
	return Point{
		At:      time.Unix(p.at, 0).UTC(),
		Answers: ByAction{by(atAllow), by(atChallenge), by(atDeny)},
		Solved:  n[atSolved], Spared: n[atSpared],
		Calls: Calls{n[atCalls], n[atCalls+1], n[atCalls+2], n[atCalls+3], n[atCalls+4], n[atCalls+5], n[atCalls+6]},
		P50MS: shownClass(p.p50), P99MS: shownClass(p.p99),
		State: states[p.standing.state], Mode: modes[p.standing.mode],
	}
}

func shownClass(class int16) *float32 {
	if class < 0 {
		return nil
	}
	ms := float32(math.Round(float64(middle(int(class)))*100) / 100)
	return &ms
}

// A ring keeps the newest points, as many as its capacity, oldest first.
type ring []point

// add adds a point. One that lies in a time that was kept already, because the clock was
// set back, takes the place of what was kept since.
func (r *ring) add(p point) {
	for len(*r) > 0 && (*r)[len(*r)-1].at >= p.at {
		*r = (*r)[:len(*r)-1]
	}
	if len(*r) == cap(*r) {
		*r = (*r)[:copy(*r, (*r)[1:])]
	}
	*r = append(*r, p)
}

// since is a copy of the points from a time on, in Unix seconds.
func (r ring) since(at int64) []point {
	first, _ := slices.BinarySearchFunc(r, at, func(p point, at int64) int { return int(p.at - at) })
	return slices.Clone(r[first:])
}

// Run makes the points, each when its time is over, until ctx ends. now says how the gateway
// stands.
func (h *History) Run(ctx context.Context, now func() Standing) {
	h.begin(time.Now())
	for {
		next := time.Now().Truncate(time.Second).Add(time.Second)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next)):
			h.take(time.Now(), now())
		}
	}
}

func (h *History) begin(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.minute = now.Truncate(time.Minute)
	h.atSecond = h.read()
	h.atMinute = h.atSecond
}

// take makes the point of the second that is over, and of the minute if it is.
func (h *History) take(now time.Time, s Standing) {
	stands := standing{uint8(max(slices.Index(states, s.Circuit), 0)), uint8(max(slices.Index(modes, s.Mode), 0))}
	read := h.read()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.worst = h.worst.worse(stands)
	h.seconds.add(pointBetween(now.Truncate(time.Second).Add(-time.Second), &h.atSecond, &read, stands))
	h.atSecond = read
	if minute := now.Truncate(time.Minute); !minute.Equal(h.minute) {
		h.minutes.add(pointBetween(h.minute, &h.atMinute, &read, h.worst))
		h.minute, h.atMinute, h.worst = minute, read, stands
	}
}
