package policy

// Lasting is a cause of degraded answers that goes on until something ends it.
type Lasting int

// The lasting causes. NotLasting stands for passes without any: a single call
// that failed.
const (
	NotLasting Lasting = iota
	LastingCircuit
	LastingForced // by an operator, for all scenes
	LastingDrill  // on the scene
	LastingScript // the page's script is known to be away
	lastings
)

// Standing says which lasting causes hold for a scene now.
type Standing [lastings]bool

// A timeLimit bounds for how long a budget lets through. Each lasting cause has a
// clock of its own, so that none spends another's time: it begins with the first
// pass under the cause, and begins anew once the cause was away for as long as the
// limit. The clock of NotLasting begins anew as long after it ran out.
//
// Until it is told otherwise a cause is taken to hold, so that a limit that nobody
// tells runs out for good and not the other way round.
type timeLimit struct {
	ticks  int64 // 0: no limit
	clocks [lastings]stopwatch
}

type stopwatch struct {
	deadline int64 // 0: not begun
	away     bool  // the cause does not hold, since awayAt
	awayAt   int64
	renewed  int64 // when it had been away for as long as the limit; 0: never
}

// observe notes which causes hold.
func (l *timeLimit) observe(standing Standing, now int64) {
	for under := range l.clocks {
		c := &l.clocks[under]
		l.renew(Lasting(under), now) // the time that ends here may have been long enough
		if away := !standing[under]; away != c.away {
			c.away, c.awayAt = away, now
		}
	}
}

// change has the limit be another one, also for the times that have begun.
func (l *timeLimit) change(ticks int64) {
	for under := range l.clocks {
		c := &l.clocks[under]
		switch {
		case ticks == 0:
			c.deadline = 0
		case c.deadline != 0:
			c.deadline += ticks - l.ticks
		}
	}
	l.ticks = ticks
}

// over reports whether the time for passes under a cause is over.
func (l *timeLimit) over(under Lasting, now int64) bool {
	l.renew(under, now)
	deadline := l.clocks[under].deadline
	return deadline != 0 && now >= deadline
}

// begin begins the time of a cause, unless it has begun.
func (l *timeLimit) begin(under Lasting, now int64) {
	if c := &l.clocks[under]; l.ticks > 0 && c.deadline == 0 {
		c.deadline = now + l.ticks
	}
}

func (l *timeLimit) renew(under Lasting, now int64) {
	c := &l.clocks[under]
	since := c.deadline // NotLasting: from its own end
	if under != NotLasting {
		if !c.away {
			return
		}
		since = c.awayAt
	}
	if now-since >= l.ticks {
		c.deadline = 0
		if under != NotLasting {
			c.renewed = since + l.ticks
		}
	}
}
