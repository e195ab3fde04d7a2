package gateway

import (
	"fmt"
	"log/slog"
	"time"

	"captchagate/breaker"
	"captchagate/control"
	"captchagate/reverify"
	"captchagate/watch"
)

// recorder is told what happens, and enters it in the audit, in the incidents
// and in the log. It is the breaker's Journal. None of its methods blocks.
//
// Rooms that tell it are made before rooms that it needs, so New sets its
// fields one by one; nothing happens before Start.
type recorder struct {
	control   *control.Control
	incidents *watch.Incidents
	situation *situation
	queue     *reverify.Queue
	log       *slog.Logger
}

// actor is who is named in the audit for what nobody did.
const actor = "gateway"

// Transition is told by the breaker, in order.
func (r *recorder) Transition(t breaker.Transition) {
	switch t.To {
	case breaker.Open: // also from recovering, if a forced mode was lifted too early
		r.incidents.Begin(watch.KindCircuit, t.Evidence, t.At)
	case breaker.Closed:
		r.incidents.End(watch.KindCircuit, t.At)
	case breaker.HalfOpen, breaker.Recovering:
	}
	r.situation.Observe()
	r.control.Audit(control.KindTransition, actor, fmt.Sprintf("circuit %v to %v: %s", t.From, t.To, t.Evidence), t)
}

// Account is told by the breaker.
func (r *recorder) Account(a breaker.Account) {
	summary := "account accepted again"
	if a.State == breaker.AccountRefused {
		summary = "account refused: " + a.Code
		r.incidents.Begin(watch.KindAccount, summary, a.Since)
	} else {
		r.incidents.End(watch.KindAccount, a.Since)
	}
	r.control.Audit(control.KindTransition, actor, summary, a)
}

// scriptChanged is told by the script probe.
func (r *recorder) scriptChanged(s watch.ScriptStatus) {
	summary := "the page's script loads again"
	if s.Down {
		summary = "the page's script does not load: " + s.Problem
		r.incidents.Begin(watch.KindScript, summary, s.Since)
	} else {
		r.incidents.End(watch.KindScript, s.Since)
	}
	r.situation.Observe()
	r.control.Audit(control.KindTransition, actor, summary, s)
}

// pagesFail is told when pages in many places fail to load the script.
func (r *recorder) pagesFail(a watch.Alarm) {
	summary := fmt.Sprintf("pages in %d places report that the captcha fails to load", a.Prefixes)
	if lasted := a.At.Sub(a.Since).Round(time.Minute); lasted > 0 {
		summary += fmt.Sprintf(", for %v now", lasted)
	}
	r.control.Audit(control.KindIncident, actor, summary, a)
}

// incidentEnded is told when an outage is over. Most of those who were let
// through in it were asked about again while users returned.
func (r *recorder) incidentEnded(i watch.Incident) {
	r.incidents.SetReverified(i.ID, watch.Counts(r.queue.Counts(i.ID)))
	if now, ok := r.incidents.Find(i.ID); ok {
		i = now
	}
	var answers int64
	for _, a := range i.Answers {
		answers += a.Count
	}
	lasted := time.Duration(0)
	if i.Ended != nil {
		lasted = i.Ended.Sub(i.Began).Round(time.Second)
	}
	summary := fmt.Sprintf("an outage of %v is over, %d answers were given in it: %s", lasted, answers, i.Evidence)
	r.log.Warn("an outage is over", "incident", i.ID, "lasted", lasted.String(), "answers", answers, "evidence", i.Evidence)
	r.control.Audit(control.KindIncident, actor, summary, i)
}
