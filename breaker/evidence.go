package breaker

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"captchagate/captcha"
)

const (
	// minStreak is the shortest time from the first of a streak of faults to its
	// last: ten calls that fail at the same moment are one event.
	minStreak = 100 * time.Millisecond
	// maxStreakGap is the longest pause within a streak; a longer one ends it.
	maxStreakGap = 10 * time.Minute
	// maxTickets is how many tickets are remembered as having ended badly.
	maxTickets = 8192
	// maxBadCalls is how many bad calls are remembered with their place.
	maxBadCalls = 64
	// canaryCalls is how many of the first calls of a recovery are watched more
	// closely, minCanaryFaults how many faults among them end it.
	canaryCalls     = 20
	minCanaryFaults = 3
	// minPrefixes is how many address prefixes must have met the trouble before
	// it may be believed without a probe of our own.
	minPrefixes = 3
	// closeBelow is how far below the share that opens a share must be, as a
	// factor, before the circuit closes: so that it does not flap.
	closeBelow = 0.7
	// surprise is how many passes must have been due since the last, by their rate
	// before, until it is beyond chance that none came: e^-surprise is 1 in 10,000.
	surprise = 9.21
)

// evidence is what the finished calls of one generation say about the API. It
// has no clock and moves nothing: it is told what ended when, and asked what
// that amounts to. Faults are counted by distinct tickets: one ticket that the
// API chokes on says nothing about the others.
type evidence struct {
	cfg Config

	mu        sync.Mutex
	began     time.Time
	lastPass  time.Time
	answered  time.Time // when the last definite answer came
	calls     window[tally]
	streak    streak
	abandoned int                      // callers since the last answer that gave up after waiting long
	counted   map[captcha.Key]struct{} // tickets that a fault or a slow answer met
	bad       [maxBadCalls]badCall     // a ring of the newest bad calls
	nBad      int
}

// A streak is faults in a row.
type streak struct {
	n           int
	first, last time.Time
}

func (s streak) lasted() time.Duration { return s.last.Sub(s.first) }

// A badCall is when and where a call ended badly.
type badCall struct {
	ended  time.Time
	prefix netip.Prefix
	slow   bool // answered, but late; else a fault
}

// A finding is what evidence amounts to. The zero value is none.
type finding struct {
	text     string // reason enough to trip if it is confirmed; "" if it is not
	prefixes int    // distinct address prefixes that it comes from
	stalled  bool   // calls stand: perhaps only the connections that they are on are dead
	beside   bool   // a standstill of ours: one probe alone does not confirm it
}

func newEvidence(cfg Config, now time.Time) *evidence {
	return &evidence{
		cfg:     cfg,
		began:   now,
		calls:   newWindow[tally](now, max(cfg.Window, time.Second)),
		counted: map[captcha.Key]struct{}{},
	}
}

// answer counts a definite answer, good or bad for the user: the API works. A
// slow one counts once a ticket.
func (e *evidence) answer(c *call, now time.Time, slow bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.streak, e.abandoned, e.answered = streak{}, 0, now
	if slow && !e.countTicket(c.key) {
		return
	}
	slot := e.calls.slot(now)
	slot.calls++
	if slow {
		slot.slow++
		e.remember(badCall{now, c.prefix, true})
	}
}

// pass counts a pass, a retry's too: whatever else happens, verification works.
func (e *evidence) pass(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls.slot(now).passes++
	e.lastPass = now
}

// answeredSince reports whether any user has had a definite answer since then.
func (e *evidence) answeredSince(then time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.answered.After(then) || e.lastPass.After(then)
}

// passesStopped reports whether passes have stopped beyond chance, or none came
// in the window. Nobody but the API can stop the passes of others, so what is
// found besides is then believed without a probe of our own.
func (e *evidence) passesStopped(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls.slot(now)
	passes, gap := e.whole().passes, now.Sub(e.lastPass)
	if passes == 0 {
		return true
	}
	before := max(min(e.cfg.Window, now.Sub(e.began))-gap, slotLength)
	second := sum(e.calls.last(gap + time.Second)).passes // before the gap, which has none
	return min(float64(passes)/before.Seconds(), float64(second))*gap.Seconds() > surprise
}

// acquit takes back the faults so far: a probe was answered, and others pass, so
// it is only some tickets that the API chokes on.
func (e *evidence) acquit(now time.Time) {
	if e.passesStopped(now) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.streak, e.nBad = streak{}, 0
	for i := range e.calls.slots {
		slot := &e.calls.slots[i]
		slot.calls -= slot.faults
		slot.faults = 0
	}
}

// fault counts a fault, once a ticket.
func (e *evidence) fault(c *call, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.countTicket(c.key) {
		return
	}
	slot := e.calls.slot(now)
	slot.calls++
	slot.faults++
	e.remember(badCall{now, c.prefix, false})
	if e.streak.n == 0 || now.Sub(e.streak.last) > maxStreakGap {
		e.streak = streak{first: now}
	}
	e.streak.n++
	e.streak.last = now
}

// countTicket notes that a call about a ticket ended badly; false if one had
// before.
func (e *evidence) countTicket(k captcha.Key) bool {
	if _, again := e.counted[k]; again {
		return false
	}
	if len(e.counted) >= maxTickets {
		clear(e.counted)
	}
	e.counted[k] = struct{}{}
	return true
}

func (e *evidence) remember(b badCall) {
	e.bad[e.nBad%maxBadCalls] = b
	e.nBad++
}

// abandon counts a caller that gave up after waiting long. Anybody can hang up,
// so many of them without an answer between are only a suspicion; "" is none.
func (e *evidence) abandon() (suspicion string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.abandoned++
	if e.abandoned < e.cfg.ConsecutiveFailures {
		return ""
	}
	return fmt.Sprintf("%d callers gave up waiting, no answer between", e.abandoned)
}

// judge says what the finished calls amount to. onTrial judges more strictly,
// as long as few calls have ended since recovery began.
func (e *evidence) judge(now time.Time, onTrial bool) finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.streak.n >= e.cfg.ConsecutiveFailures && e.streak.lasted() >= minStreak {
		return e.faults(e.streak.first, "%d tickets in a row met a fault within %v", e.streak.n, round(e.streak.lasted()))
	}
	e.calls.slot(now)
	second, whole := sum(e.calls.last(time.Second)), e.whole()
	sample, length := second, time.Second
	if second.calls < e.cfg.MinRequests {
		sample, length = whole, e.cfg.Window
	}
	since := now.Add(-length)
	switch {
	case onTrial && whole.faults >= minCanaryFaults && 2*whole.faults >= whole.calls && whole.passes == 0:
		return e.faults(time.Time{}, "%d of the first %d calls met a fault", whole.faults, whole.calls)
	case sample.calls < e.cfg.MinRequests:
	case ratio(sample.faults, sample.calls) >= e.failureRate(length, sample.calls):
		return e.faults(since, "%d of %d calls met a fault within %v", sample.faults, sample.calls, length)
	case ratio(whole.faults, whole.calls) >= e.cfg.FailureRate:
		return e.faults(now.Add(-e.cfg.Window), "%d of %d calls met a fault within %v", whole.faults, whole.calls, e.cfg.Window)
	case ratio(sample.slow, sample.calls) >= e.cfg.SlowRate:
		text := fmt.Sprintf("%d of %d calls took longer than %v within %v", sample.slow, sample.calls, e.cfg.SlowCall, length)
		return finding{text: text, prefixes: e.prefixes(since, true)}
	}
	return finding{}
}

// whole is the tally of the window, as of the latest slot.
func (e *evidence) whole() tally { return sum(e.calls.last(max(e.cfg.Window, time.Second))) }

// failureRate is the share of faults that opens. A second's worth of calls is
// a small sample, so it must exceed the configured share by what chance
// explains; the window is judged as configured.
func (e *evidence) failureRate(length time.Duration, calls int) float64 {
	if length == e.cfg.Window {
		return e.cfg.FailureRate
	}
	return min(e.cfg.FailureRate+chance(e.cfg.FailureRate, calls), 1)
}

// faults is a finding of faults since then.
func (e *evidence) faults(since time.Time, format string, args ...any) finding {
	return finding{text: fmt.Sprintf(format, args...), prefixes: e.prefixes(since, false)}
}

// prefixes counts the address prefixes that the bad calls since then came from.
func (e *evidence) prefixes(since time.Time, slow bool) int {
	seen := map[netip.Prefix]struct{}{}
	for _, b := range e.bad[:min(e.nBad, maxBadCalls)] {
		if b.slow == slow && !b.ended.Before(since) {
			seen[b.prefix] = struct{}{}
		}
	}
	return len(seen)
}

// allowsClosing reports whether enough speaks for the API to close the circuit:
// so few calls of the window ended badly that what would open it is out of
// chance's reach. A ramp as short as its outage was has sent few: early, only as
// many calls as there are canaries that all went well are enough, or it would
// flap.
func (e *evidence) allowsClosing(now time.Time, early bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls.slot(now)
	whole := e.whole()
	if early {
		return whole.calls >= canaryCalls && ratio(whole.faults+whole.slow, whole.calls) <= moreFaults
	}
	if e.prefixes(now.Add(-e.cfg.Window), false) < minPrefixes {
		whole.faults = 0 // one place's own trouble
	}
	return few(whole.faults, whole.calls, e.cfg.FailureRate) && few(whole.slow, whole.calls, e.cfg.SlowRate)
}

// earlierFaults is the share of faults in the window up to two seconds ago, and
// before the streak that may have begun the outage: of few calls it is older.
func (e *evidence) earlierFaults(now time.Time) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls.slot(now)
	whole, newest := e.whole(), sum(e.calls.last(2*time.Second))
	streak := min(e.streak.n, whole.faults)
	return ratio(whole.faults-max(newest.faults, streak), whole.calls-max(newest.calls, streak))
}

// few reports whether bad of so many calls is well below the share that opens.
func few(bad, calls int, opens float64) bool {
	limit := closeBelow * opens
	return bad == 0 || ratio(bad, calls) <= limit-chance(limit, calls)
}

// totals are the calls of the window, and the faults in a row.
func (e *evidence) totals(now time.Time) (whole tally, inARow int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls.slot(now)
	return e.whole(), e.streak.n
}
