package breaker

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"captchagate/captcha"
)

const (
	span         = 100 * time.Millisecond // one slot of the window
	lastSecond   = int64(time.Second / span)
	leastRun     = 100 * time.Millisecond // from the first of a run to its last
	runGap       = 10 * time.Minute       // a run with a longer pause is two
	mostTickets  = 8192                   // tickets remembered as having ended badly
	recentFaults = 64
	leastCanary  = 3 // faults among canaries that end a recovery
)

// canaryCalls is how many calls of recovering are watched more closely.
const canaryCalls = 20

// evidence is what the finished calls of one life say about the API. Faults
// are counted by distinct tickets: one ticket that the API chokes on says
// nothing about the others.
type evidence struct {
	cfg Config

	mu    sync.Mutex
	base  time.Time // what slots are counted from, whatever the wall clock does
	slots []tally   // a ring over the window
	at    int64     // the newest slot's number
	total tally     // over the window

	run    run
	gaveUp int                      // callers since the last answer that gave up after waiting long
	bad    map[captcha.Key]struct{} // tickets that a fault or a slow answer met
	faults [recentFaults]met        // a ring of the newest bad calls
	met    int
}

// A tally counts finished calls.
type tally struct{ calls, faults, slow int }

// met is where and when a call ended badly.
type met struct {
	at     time.Time
	prefix netip.Prefix
	slow   bool // answered, but late; else a fault
}

// A run is faults in a row.
type run struct {
	n           int
	first, last time.Time
}

// A finding is what the evidence amounts to; empty text is nothing.
type finding struct {
	text     string
	prefixes int
}

func newEvidence(cfg Config) *evidence {
	return &evidence{
		cfg:   cfg,
		base:  time.Now(),
		slots: make([]tally, max(int64(cfg.Window/span), lastSecond)),
		bad:   map[captcha.Key]struct{}{},
	}
}

func slotOf(base, t time.Time) int64 { return int64(t.Sub(base) / span) }

// advance forgets the slots that left the window and returns the newest one.
func (e *evidence) advance(now time.Time) *tally {
	n := int64(len(e.slots))
	for slot := slotOf(e.base, now); e.at < slot; {
		if slot-e.at > n {
			e.at = slot - n
		}
		e.at++
		old := &e.slots[e.at%n]
		e.total.calls -= old.calls
		e.total.faults -= old.faults
		e.total.slow -= old.slow
		*old = tally{}
	}
	return &e.slots[e.at%n]
}

// answer counts a definite answer, good or bad for the user: the API works. A
// slow one counts once a ticket.
func (e *evidence) answer(c *call, now time.Time, slow bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.run = run{}
	e.gaveUp = 0
	if slow && !e.endsBadly(c.key) {
		return
	}
	slot := e.advance(now)
	slot.calls++
	e.total.calls++
	if slow {
		slot.slow++
		e.total.slow++
		e.remember(c, now, true)
	}
}

// fault counts a fault, once a ticket.
func (e *evidence) fault(c *call, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.endsBadly(c.key) {
		return
	}
	slot := e.advance(now)
	slot.calls++
	slot.faults++
	e.total.calls++
	e.total.faults++
	e.remember(c, now, false)
	if e.run.n == 0 || now.Sub(e.run.last) > runGap {
		e.run = run{first: now}
	}
	e.run.n++
	e.run.last = now
}

// endsBadly notes that a call about a ticket did; false where one had before.
func (e *evidence) endsBadly(k captcha.Key) bool {
	if _, again := e.bad[k]; again {
		return false
	}
	if len(e.bad) >= mostTickets {
		clear(e.bad)
	}
	e.bad[k] = struct{}{}
	return true
}

func (e *evidence) remember(c *call, now time.Time, slow bool) {
	e.faults[e.met%recentFaults] = met{at: now, prefix: c.prefix, slow: slow}
	e.met++
}

// abandoned counts a caller that gave up after waiting long. Anybody can hang
// up, so many of them without an answer between only ask for a probe.
func (e *evidence) abandoned() finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gaveUp++
	if e.gaveUp < e.cfg.ConsecutiveFailures {
		return finding{}
	}
	return finding{text: fmt.Sprintf("%d callers gave up waiting, no answer between", e.gaveUp)}
}

// judge says what the finished calls amount to. canary judges more strictly,
// as long as few calls have ended since recovery began.
func (e *evidence) judge(now time.Time, canary bool) finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(now)
	if e.run.n >= e.cfg.ConsecutiveFailures && e.run.last.Sub(e.run.first) >= leastRun {
		since := e.run.first
		return e.finding(since, false, "%d tickets in a row met a fault within %v", e.run.n, round(e.run.last.Sub(since)))
	}
	second, window := e.lastSecond(), time.Second
	t := second
	if second.calls < e.cfg.MinRequests {
		t, window = e.total, e.cfg.Window
	}
	since := now.Add(-window)
	switch {
	case canary && e.total.faults >= leastCanary && 2*e.total.faults >= e.total.calls:
		return e.finding(time.Time{}, false, "%d of the first %d calls met a fault", e.total.faults, e.total.calls)
	case t.calls < e.cfg.MinRequests:
	case rate(t.faults, t.calls) >= e.failureRate(window, t.calls):
		return e.finding(since, false, "%d of %d calls met a fault within %v", t.faults, t.calls, window)
	case rate(e.total.faults, e.total.calls) >= e.cfg.FailureRate && e.total.calls >= e.cfg.MinRequests:
		return e.finding(now.Add(-e.cfg.Window), false, "%d of %d calls met a fault within %v", e.total.faults, e.total.calls, e.cfg.Window)
	case rate(t.slow, t.calls) >= e.cfg.SlowRate:
		return e.finding(since, true, "%d of %d calls took longer than %v within %v", t.slow, t.calls, e.cfg.SlowCall, window)
	}
	return finding{}
}

// failureRate is the share of faults that opens. A second's worth of calls is
// a small sample, so it must exceed the configured share by what chance
// explains (1.64 standard deviations); the window is judged as configured.
func (e *evidence) failureRate(window time.Duration, calls int) float64 {
	if window == e.cfg.Window {
		return e.cfg.FailureRate
	}
	return min(e.cfg.FailureRate+chance(e.cfg.FailureRate, calls), 1)
}

func (e *evidence) lastSecond() tally {
	var t tally
	n := int64(len(e.slots))
	for i := range lastSecond {
		slot := e.slots[(e.at-i+n)%n]
		t.calls += slot.calls
		t.faults += slot.faults
		t.slow += slot.slow
	}
	return t
}

// finding names the prefixes which the bad calls since then came from.
func (e *evidence) finding(since time.Time, slow bool, format string, args ...any) finding {
	return finding{text: fmt.Sprintf(format, args...), prefixes: e.prefixes(since, slow)}
}

func (e *evidence) prefixes(since time.Time, slow bool) int {
	seen := map[netip.Prefix]struct{}{}
	for _, m := range e.faults[:min(e.met, recentFaults)] {
		if m.slow == slow && !m.at.Before(since) {
			seen[m.prefix] = struct{}{}
		}
	}
	return len(seen)
}

// spotless reports whether as many calls as there are canaries ended, and none
// of them badly.
func (e *evidence) spotless(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(now)
	return e.total.calls >= canaryCalls && e.total.faults == 0 && e.total.slow == 0
}

// well reports whether the circuit may close: so few calls of the window ended
// badly that what would open it is out of chance's reach. It does not flap.
func (e *evidence) well(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(now)
	t := e.total
	if e.prefixes(now.Add(-e.cfg.Window), false) < leastPrefixes {
		t.faults = 0 // one place's own trouble
	}
	return t.few(t.faults, e.cfg.FailureRate) && t.few(t.slow, e.cfg.SlowRate)
}

// closeAt is how far below an opening share the share must be for closing.
const closeAt = 0.7

func (t tally) few(bad int, opens float64) bool {
	limit := closeAt * opens
	return bad == 0 || rate(bad, t.calls) <= limit-chance(limit, t.calls)
}

func rate(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
