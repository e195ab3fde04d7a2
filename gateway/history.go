package gateway

import (
	"time"

	"captchagate/captcha"
	"captchagate/sla"
	"captchagate/watch"
)

// answers are counted for the outage that goes on, and for the history.
type answers struct {
	incidents *watch.Incidents
	history   *watch.History
}

// CountAnswer counts what a user got.
func (a answers) CountAnswer(got watch.Answer) {
	a.incidents.CountAnswer(got)
	a.history.CountAnswer(got)
}

// standing is how the gateway stands now, for the history.
func (g *Gateway) standing() watch.Standing {
	return watch.Standing{Circuit: g.breaker.State().String(), Mode: string(g.situation.mode())}
}

// calls are counted for the outage that goes on, for the history and for the service levels.
type calls struct {
	answers

	levels *sla.Levels
}

// Called counts a call for a user.
func (c calls) Called(outcome string, took time.Duration) { c.history.Called(outcome, took) }

// Saw counts any call.
func (c calls) Saw(s captcha.Seen) {
	c.levels.Saw(s)
	if s.RequestID != "" {
		c.incidents.Quote(s.RequestID, s.At)
	}
}

// Spared counts a call that was not made because the circuit was open.
func (c calls) Spared() {
	c.incidents.Spared()
	c.history.Spared()
	c.levels.Spared()
}
