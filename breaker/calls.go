package breaker

import (
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
// lagged ourselves: then nobody knows whether the answer came in time.
//
// A call that the circuit released has not been answered, unless answers were only slow.
// One that stood on a kept connection while a probe was answered is doubtful until its
// retry, which travels on another: where that is answered the connection was dead.
func (a *attempter) saw(c *call, f *captcha.Failure, late bool) {
	at, wired := c.sentAt, !c.sentAt.IsZero()
	if !wired {
		at = c.started
	}
	c.reached = c.reached || wired
	s, counts := captcha.See(at, f, wired)
	if f != nil && f.Kind == captcha.CircuitOpen && wired && !c.generation.slow.Load() {
		s.Fail(f)
	}
	if late {
		s = captcha.Seen{At: at}
	}
	doubtful := s.Failed && c.doubtful
	c.doubtful = s.Failed && f.Kept && c.stood.Load() && !doubtful
	if c.doubtful {
		c.doubt = s
		return
	}
	if doubtful {
		a.calls.Saw(c.doubt)
	}
	if counts {
		a.calls.Saw(s)
	}
}

// sawProbe tells of a probe.
func (p *prober) sawProbe(at time.Time, err error, wired bool) {
	var f *captcha.Failure
	if err != nil {
		f = captcha.AsFailure(err)
	}
	if s, counts := captcha.See(at, f, wired); counts {
		s.Probe = true
		p.calls.Saw(s)
	}
}
