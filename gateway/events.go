package gateway

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"captchagate/alarms"
	"captchagate/breaker"
	"captchagate/captcha"
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
	group     *group // nil for one instance
	log       *slog.Logger
	alarms    *alarms.Alarms
	opened    time.Time // the circuit, that is not closed since; zero: it is
	spent     spentBudgets
	over      func(watch.Incident) // of a fleet, which sums up what all saw; nil for one instance
}

// actor is who is named in the audit for what nobody did.
const actor = "gateway"

// by is the actor, in a fleet with its host and listener: each instance has a circuit and
// a way out of its own.
func (r *recorder) by() string {
	if r.group == nil {
		return actor
	}
	return strings.TrimSpace(actor + " " + plain(r.group.host) + " " + plain(r.group.listen))
}

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
	r.alarmCircuit(t)
	r.control.Audit(control.KindTransition, r.by(), fmt.Sprintf("circuit %v to %v: %s", t.From, t.To, t.Evidence), t)
}

// Account is told by the breaker.
func (r *recorder) Account(a breaker.Account) {
	summary := "account accepted again"
	if a.State == breaker.AccountRefused {
		summary = "account refused: " + a.Code
		r.incidents.Begin(watch.KindAccount, summary, a.Since)
		r.alarms.Raise(alarms.Misconfigured, "", "the Captcha API refuses our account, so nobody is verified: "+captcha.Foreign(a.Code)+"; look at the keys, at arrears, at the IP whitelist and at this machine's clock", a)
	} else {
		r.incidents.End(watch.KindAccount, a.Since)
	}
	r.control.Audit(control.KindTransition, r.by(), summary, a)
}

// Throttling is told by the breaker. It is no incident: load alone brings it about, at
// its peak every day perhaps, and an outage in the midst of it has an incident of its own.
func (r *recorder) Throttling(t breaker.Throttling, over bool) {
	summary := "the Captcha API throttles us: users are not verified; raise the account's quota or lower the load"
	if over {
		summary = fmt.Sprintf("the Captcha API throttles us no more: %d of %d users were not verified because of it", t.Unverified, t.Users)
	}
	r.control.Audit(control.KindTransition, actor, summary, t)
}

// suspicion is told when the key or id of an app seems wrong, or proves right.
func (r *recorder) suspicion(s watch.Suspicion) {
	summary := fmt.Sprintf("app %d proved right: a ticket was accepted", s.AppID)
	if s.Suspect {
		summary = fmt.Sprintf("app %d is suspect: %d tickets refused and none accepted, the last with code %d; compare captcha_app_id and app_secret_key with the console", s.AppID, s.Refused, s.Code)
	}
	if s.Suspect {
		r.alarms.Raise(alarms.Suspect, fmt.Sprint(s.AppID), summary, s)
	}
	r.control.Audit(control.KindTransition, r.by(), summary, s)
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
	r.alarmScript(s)
	r.control.Audit(control.KindTransition, r.by(), summary, s)
}

// pagesFail is told when pages in many places fail to load the script.
func (r *recorder) pagesFail(a watch.Alarm) {
	summary := fmt.Sprintf("pages in %d places report that the captcha fails to load", a.Prefixes)
	if lasted := a.At.Sub(a.Since).Round(time.Minute); lasted > 0 {
		summary += fmt.Sprintf(", for %v now", lasted)
	}
	r.alarms.Raise(alarms.PagesFailing, "", summary, a)
	r.control.Audit(control.KindIncident, r.by(), summary, a)
}

// storeTrouble is told when the store keeps users out or takes nothing, and when that is
// over.
func (r *recorder) storeTrouble(summary string, detail any, over bool) {
	if !over {
		r.alarms.Raise(alarms.StoreTrouble, r.by(), summary, detail)
	}
	r.control.Audit(control.KindTransition, r.by(), summary, detail)
}

// incidentEnded is told when an outage is over here. Most of those who were let
// through in it were asked about again while users returned.
func (r *recorder) incidentEnded(i watch.Incident) {
	r.incidents.Recount(r.counts)
	if r.over != nil {
		r.over(i)
		return
	}
	if now, ok := r.incidents.Find(i.ID); ok {
		i = now
	}
	r.sumUp(i, false)
}

// counts are how re-verification of an incident stands here.
func (r *recorder) counts(incident string) watch.Counts {
	return watch.Counts(r.queue.Counts(incident))
}

// sumUp enters an outage that is over, in a fleet for all of its instances.
func (r *recorder) sumUp(i watch.Incident, forAll bool) {
	var all watch.SceneCount
	for _, s := range i.Scenes {
		all = all.Plus(s)
	}
	lasted := time.Duration(0)
	if i.Ended != nil {
		lasted = i.Ended.Sub(i.Began).Round(time.Second)
	}
	what, message := "an outage of %v is over", "an outage is over"
	if i.Forced() {
		what, message = "degraded mode was forced for %v and is no longer", "degraded mode is forced no longer"
	}
	summary := fmt.Sprintf(what+", %d answers were given in it: %s", lasted, all.Sum(), i.Evidence)
	r.log.Warn(message, "incident", i.ID, "lasted", lasted.String(), "answers", all.Sum(),
		"verified", all.Verified, "let_through", all.LetThrough, "solved", all.Solved, "challenged", all.Challenged, "denied", all.Denied,
		"spared", i.Spared, "evidence", i.Evidence)
	audit := r.control.Audit
	if forAll {
		audit = r.control.AuditForAll
	}
	audit(control.KindIncident, actor, summary, i)
}
