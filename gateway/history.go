package gateway

import "captchagate/watch"

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
