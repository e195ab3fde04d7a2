package breaker

import "time"

const (
	// tickEvery is how often the calls in flight are looked at.
	tickEvery = 10 * time.Millisecond
	// lateTick is the gap between two looks above which this process was
	// standing itself: stopped, starved or collecting garbage.
	lateTick = 3 * tickEvery
)

// lag is for how long this process stood still itself. What seems to have taken
// long then is not the API's doing.
type lag struct {
	lastTick time.Time
	total    time.Duration
	from, to time.Time // of the latest gap
}

// tick books the lag since the last tick.
func (l *lag) tick(now time.Time) {
	if now.Sub(l.lastTick) > lateTick {
		l.from, l.to = l.lastTick, now
	}
	l.total = l.until(now)
	l.lastTick = now
}

// listening is until when, at least, what came was read: before the gap that has just ended,
// if there is one, because whoever wakes up may find a call's time over before its answer.
func (l *lag) listening(now time.Time) time.Time {
	switch {
	case now.Sub(l.lastTick) > lateTick:
		return l.lastTick
	case now.Sub(l.to) <= lateTick:
		return l.from
	}
	return now
}

// until is all the lag so far, that which no tick has booked yet included.
func (l *lag) until(now time.Time) time.Duration {
	if gap := now.Sub(l.lastTick); gap > lateTick {
		return l.total + gap - tickEvery
	}
	return l.total
}

// silenceGap is the longest pause between two probes that count as in a row.
const silenceGap = 10 * time.Second

// silence adds up for how long probes in a row had no answer while this process ran. One
// beside which it stood still says nothing; but where it stands still again and again, as on a
// host short of CPU, nothing would ever be believed.
type silence struct {
	of          *generation
	began, last time.Time // its first probe, and its newest
	probes      int
	ran         time.Duration
}

// says adds a probe that began then and had no answer while this process ran for so long, and
// reports whether all together say that the API is away. What was before counts only in the
// same generation, and if nobody was answered since; and one probe alone never says it, whose
// standstill may have gone unseen.
func (s *silence) says(g *generation, began time.Time, ran, slowCall time.Duration) bool {
	if s.of != g || began.Sub(s.last) > silenceGap || g.evidence.answeredSince(s.began) {
		*s = silence{of: g, began: began}
	}
	s.last = began
	s.probes++
	s.ran += max(ran, 0)
	return s.probes > 1 && s.ran >= slowCall
}
