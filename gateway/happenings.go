package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"captchagate/admin"
	"captchagate/breaker"
	"captchagate/control"
	"captchagate/once"
	"captchagate/reverify"
	"captchagate/watch"
)

// What happens is told to the audit, to the log and to the incidents. None of
// these methods blocks: some are called under the breaker's lock.

// Transition is told by the breaker, in order.
func (g *Gateway) Transition(t breaker.Transition) {
	switch t.To {
	case breaker.Open: // also from recovering, where a forced mode was lifted too early
		g.incidents.Begin(watch.KindCircuit, t.Evidence, t.At)
	case breaker.Closed:
		g.incidents.End(watch.KindCircuit, t.At)
	case breaker.HalfOpen, breaker.Recovering:
	}
	g.situation.Observe()
	g.control.Audit(control.KindTransition, "gateway", fmt.Sprintf("circuit %v to %v: %s", t.From, t.To, t.Evidence), t)
}

// Account is told by the breaker.
func (g *Gateway) Account(a breaker.Account) {
	summary := "account accepted again"
	if a.State == breaker.AccountRefused {
		summary = "account refused: " + a.Code
		g.incidents.Begin(watch.KindAccount, summary, a.Since)
	} else {
		g.incidents.End(watch.KindAccount, a.Since)
	}
	g.control.Audit(control.KindTransition, "gateway", summary, a)
}

// scriptChanged is told by the script probe.
func (g *Gateway) scriptChanged(s watch.ScriptStatus) {
	summary := "the page's script loads again"
	if s.Down {
		summary = "the page's script does not load: " + s.Problem
		g.incidents.Begin(watch.KindScript, summary, s.Since)
	} else {
		g.incidents.End(watch.KindScript, s.Since)
	}
	g.control.Audit(control.KindTransition, "gateway", summary, s)
}

// pagesFail is told when pages in many places fail to load the script.
func (g *Gateway) pagesFail(a watch.Alarm) {
	g.control.Audit(control.KindIncident, "gateway", fmt.Sprintf("pages in %d places report that the captcha fails to load", a.Prefixes), a)
}

// incidentEnded is told when an outage is over. Most of those who were let
// through in it were asked about again while users returned.
func (g *Gateway) incidentEnded(i watch.Incident) {
	g.incidents.Reverified(i.ID, watch.Counts(g.queue.Counts(i.ID)))
	if now, ok := g.incidents.Find(i.ID); ok {
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
	g.log.Warn("an outage is over", "incident", i.ID, "lasted", lasted.String(), "answers", answers, "evidence", i.Evidence)
	g.control.Audit(control.KindIncident, "gateway", summary, i)
}

// views are what operators see of outages and of what was asked again.
func (g *Gateway) views() admin.Views {
	return admin.Views{
		Incidents: func(limit int) any {
			for _, i := range g.incidents.List(limit) {
				g.incidents.Reverified(i.ID, watch.Counts(g.queue.Counts(i.ID)))
			}
			return g.incidents.List(limit)
		},
		Reverified: func(ctx context.Context, limit int) (any, error) {
			list, err := g.queue.Reports(ctx, limit)
			return together(list), err
		},
	}
}

// together puts the reports of all incidents into one body of the webhook's
// form; it names the incident where all are of one.
func together(list []reverify.Reports) reverify.Reports {
	all := reverify.Reports{Reports: []reverify.Report{}}
	for i, one := range list {
		if i == 0 {
			all.IncidentID = one.IncidentID
		} else if one.IncidentID == nil || all.IncidentID == nil || *one.IncidentID != *all.IncidentID {
			all.IncidentID = nil
		}
		all.Reports = append(all.Reports, one.Reports...)
	}
	return all
}

// newPasses makes what remembers who was let through unverified.
func (g *Gateway) newPasses(ctx context.Context, fates *once.Set, transport http.RoundTripper) (*ledger, error) {
	key, err := keptKey(ctx, g.store, sealKey)
	if err != nil {
		return nil, err
	}
	g.queue, err = reverify.New(ctx, g.upstream, g.store, g.situation, nil, reverify.Config(g.cfg.Reverify), key, transport, g.log, g.registry)
	if err != nil {
		return nil, err
	}
	return newLedger(fates, g.queue, g.incidents, g.log), nil
}
