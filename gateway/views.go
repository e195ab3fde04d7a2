package gateway

import (
	"context"
	"time"

	"captchagate/admin"
	"captchagate/breaker"
	"captchagate/control"
	"captchagate/reverify"
	"captchagate/store"
	"captchagate/upstream"
	"captchagate/watch"
)

// views are what operators see.
type views struct {
	situation *situation
	control   *control.Control
	breaker   *breaker.Breaker
	upstream  *upstream.Client
	store     store.Store
	incidents *watch.Incidents
	queue     *reverify.Queue
}

// Status is how the gateway is.
func (v *views) Status() admin.Status {
	b := v.breaker.Status()
	return admin.Status{
		Mode:     string(v.situation.mode()),
		Override: v.control.Override(),
		Drills:   v.control.Drills(),
		Breaker:  circuit(b),
		Account:  admin.Account{State: string(b.Account.State), Since: b.Account.Since, Code: b.Account.Code},
		Upstream: admin.Upstream{InFlight: b.InFlight, P50MS: milliseconds(b.P50), P99MS: milliseconds(b.P99), Addresses: addresses(v.upstream.Addresses())},
		Store:    admin.Store{Kind: v.store.Kind(), Healthy: v.store.Healthy()},
	}
}

func addresses(of []upstream.Address) []admin.Address {
	list := make([]admin.Address, len(of))
	for i, a := range of {
		list[i] = admin.Address(a)
	}
	return list
}

// Incidents are the newest outages, newest first, with what re-verification
// has found so far of those who were let through.
func (v *views) Incidents(limit int) []watch.Incident {
	for _, i := range v.incidents.List(limit) {
		v.incidents.SetReverified(i.ID, watch.Counts(v.queue.Counts(i.ID)))
	}
	return v.incidents.List(limit)
}

// Reverified is what re-verification found and nobody has acknowledged, newest
// first, in one body of the webhook's form: it names the incident if all are of
// one.
func (v *views) Reverified(ctx context.Context, limit int) (reverify.Reports, error) {
	list, err := v.queue.Reports(ctx, limit)
	all := reverify.Reports{Reports: []reverify.Report{}}
	for i, one := range list {
		if i == 0 {
			all.IncidentID = one.IncidentID
		} else if one.IncidentID == nil || all.IncidentID == nil || *one.IncidentID != *all.IncidentID {
			all.IncidentID = nil
		}
		all.Reports = append(all.Reports, one.Reports...)
	}
	return all, err
}

func circuit(b breaker.Status) admin.Breaker {
	c := admin.Breaker{
		State: b.State.String(), Since: b.Since, Evidence: b.Evidence,
		Requests: b.Requests, Failures: b.Failures, Slow: b.Slow,
		ConsecutiveFailures: b.ConsecutiveFailures,
	}
	if !b.NextProbeAt.IsZero() {
		c.NextProbeAt = &b.NextProbeAt
	}
	for _, t := range b.Transitions {
		c.Transitions = append(c.Transitions, admin.Transition{
			At: t.At, From: t.From.String(), To: t.To.String(), Evidence: t.Evidence,
		})
	}
	return c
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}
