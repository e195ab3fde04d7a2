package breaker

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"captchagate/captcha"
)

// Calls is told of calls to the Captcha API that are over. Its methods must not block.
type Calls interface {
	// Called tells of a user's, as captchagate_upstream_attempts_total names it.
	Called(outcome string, took time.Duration)
	// Saw tells of any, probes included, for the service levels.
	Saw(s captcha.Seen)
	// Spared tells of a user's request that was not sent because the circuit was open.
	Spared()
}

// Nobody are Calls that are told in vain.
type Nobody struct{}

// Called does nothing.
func (Nobody) Called(string, time.Duration) {}

// Saw does nothing.
func (Nobody) Saw(captcha.Seen) {}

// Spared does nothing.
func (Nobody) Spared() {}

// saw tells of a call that ended in f, nil for a verdict. late says that we
// stood still ourselves for more than the last third of its time: then nobody knows
// whether the answer came. A host that is short of CPU all the time hears it all the same.
//
// A call that the circuit released has not been answered; see unanswered.
// One that stood on a kept connection while a probe was answered is in doubt until its
// retry, which travels on another: where that is answered the connection was dead. See
// doubts for those without one.
func (a *attempter) saw(c *call, f *captcha.Failure, late bool) {
	at, wired := c.written(f)
	c.reached = c.reached || wired
	s, counts := captcha.See(at, f, wired)
	if late {
		s = captcha.Seen{At: at}
	}
	before := c.doubt
	c.doubt = nil
	if before == nil && s.Failed && f.Kept && !c.stood.IsZero() {
		c.doubt = &doubt{s, c.stood, c.generation}
		return
	}
	if f != nil && f.Kind == captcha.CircuitOpen && wired {
		s.Fail(f)
		a.unanswered.add(s)
		counts = false
	}
	if counts {
		a.calls.Saw(s)
	}
	a.settle(c, before, at, s.Failed, wired && !late && tells(f))
}

// written reports whether the attempt that ended in f went on the wire, and when, or when it
// was to.
func (c *call) written(f *captcha.Failure) (at time.Time, written bool) {
	if c.sentAt.IsZero() {
		return c.started, false
	}
	return c.sentAt, f == nil || !f.Unsent()
}

// tells reports whether a call's end shows how the API is.
func tells(f *captcha.Failure) bool {
	return f == nil || f.Kind != captcha.Cancelled && f.Kind != captcha.CircuitOpen
}

// settle judges the calls in doubt by one that went on the wire at that time, before among
// them, the one that it repeats, if there was one.
func (a *attempter) settle(c *call, before *doubt, at time.Time, failed, tells bool) {
	switch {
	case before == nil:
	case tells:
		before.judged(a.calls, failed)
	default:
		a.doubts.add(before)
	}
	switch {
	case tells:
		a.doubts.judge(at, failed)
	case c.released.Load():
		a.doubts.judge(time.Now(), true)
	}
}

// leftInDoubt takes over the call of a request that no retry followed.
func (a *attempter) leftInDoubt(c *call) {
	if c.doubt == nil {
		return
	}
	a.doubts.add(c.doubt)
	if c.generation.isOpen() {
		a.doubts.judge(time.Now(), true)
	}
}

// A doubt is a call that stood on a kept connection and was not answered.
type doubt struct {
	seen       captcha.Seen
	stood      time.Time // when all connections were forgotten because of it and others
	generation *generation
}

// judged tells of it, unless its connection was dead: the API never got it then.
func (d *doubt) judged(calls Calls, failed bool) {
	if failed || d.generation.isOpen() {
		calls.Saw(d.seen)
	}
}

// doubts are those that no retry followed. The next call of a user tells, which went on the
// wire once the connections were forgotten: where that fails too, they were not dead. Nor
// were they where the circuit opens before.
type doubts struct {
	calls Calls
	some  atomic.Bool

	mu  sync.Mutex
	all []*doubt
}

func (u *doubts) add(d *doubt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, d)
	u.some.Store(true)
}

// judge is told of a call that went on the wire then.
func (u *doubts) judge(wired time.Time, failed bool) {
	if !u.some.Load() {
		return
	}
	u.mu.Lock()
	var told []*doubt
	u.all = slices.DeleteFunc(u.all, func(d *doubt) bool {
		if !wired.After(d.stood) {
			return false
		}
		told = append(told, d)
		return true
	})
	u.some.Store(len(u.all) > 0)
	u.mu.Unlock()
	for _, d := range told {
		d.judged(u.calls, failed)
	}
}

// sawProbe tells of a probe, and by it of the calls that are not judged yet: one that was
// given up before its time, because users waited, is one of those.
func (p *prober) sawProbe(e endedProbe) {
	at, wired := e.began, e.wired != nil
	if wired {
		at = *e.wired
	}
	var f *captcha.Failure
	if e.err != nil {
		f = captcha.AsFailure(e.err)
	}
	if f != nil && f.Unsent() {
		return
	}
	s, counts := captcha.See(at, f, wired)
	s.Probe = true
	took := e.ended.Sub(at)
	switch late := s.Failed && wired && took >= e.timeout; {
	case late && e.lag >= minSilence: // we stood still ourselves: nobody knows
		s = captcha.Seen{At: at, Probe: true}
	case late && e.timeout < p.cfg.Probe.Timeout:
		p.unanswered.add(s)
		return
	default:
		p.unanswered.judge(e.err != nil || took-e.lag <= p.cfg.SlowCall)
	}
	if counts {
		p.calls.Saw(s)
	}
}

// An endedProbe is how one ended.
type endedProbe struct {
	began time.Time
	wired *time.Time // when it went on the wire; nil for never
	ended time.Time
	err   error         // nil for an answer about its ticket
	lag   time.Duration // for so long we stood still ourselves meanwhile

	timeout time.Duration
}

// unanswered are calls that were given up before their time. They count as failed, unless the next
// probe is answered, and late: then the API is slow, and would have answered them too.
type unanswered struct {
	calls Calls

	mu   sync.Mutex
	seen []captcha.Seen
}

// judgeAfter is when they are judged without a probe: another instance makes those.
const judgeAfter = 4 * time.Second

func (u *unanswered) add(s captcha.Seen) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.seen) == 0 {
		time.AfterFunc(judgeAfter, func() { u.judge(true) })
	}
	u.seen = append(u.seen, s)
}

func (u *unanswered) judge(failed bool) {
	u.mu.Lock()
	seen := u.seen
	u.seen = nil
	u.mu.Unlock()
	for _, s := range seen {
		if !failed {
			s = captcha.Seen{At: s.At, Probe: s.Probe}
		}
		u.calls.Saw(s)
	}
}
