package gateway

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"captchagate/admin"
	"captchagate/alarms"
	"captchagate/breaker"
	"captchagate/control"
	"captchagate/policy"
	"captchagate/reverify"
	"captchagate/sla"
	"captchagate/store"
	"captchagate/upstream"
	"captchagate/watch"
)

// views are what operators see.
type views struct {
	situation *situation
	control   *control.Control
	forced    *forcedMode
	breaker   *breaker.Breaker
	policy    *policy.Policy
	apps      *watch.Apps
	script    *watch.Script
	upstream  *upstream.Client
	store     store.Store
	trouble   *storeTrouble
	incidents *watch.Incidents
	history   *watch.History
	queue     *reverify.Queue
	levels    *sla.Levels
	names     *names
	alarms    *alarms.Alarms
	group     *group // nil for one instance
}

// Status is how the gateway is.
func (v *views) Status() admin.Status {
	override := v.control.Override()
	v.forced.observe() // or a switch just lifted would look normal before users return
	b := v.breaker.Status()
	s := admin.Status{
		Mode:     string(v.situation.mode()),
		Override: override,
		Drills:   v.control.Drills(),
		Breaker:  circuit(b),
		Account:  v.account(b.Account),
		Script:   script(v.script.Status()),
		Upstream: admin.Upstream{InFlight: b.InFlight, P50MS: milliseconds(b.P50), P99MS: milliseconds(b.P99), Addresses: addresses(v.upstream.Addresses()), Throttled: throttled(b.Throttling)},
		Store:    admin.Store{Kind: v.store.Kind(), Healthy: v.store.Healthy(), Trouble: v.trouble.status()},
		Budgets:  budgetTimes(v.policy.Times(), v.group == nil),
		Version:  Version(),
	}
	if v.group != nil {
		s.Fleet, s.Replicas = v.group.status()
	}
	return s
}

// account is refused, or else suspect because of an app, or else fine.
func (v *views) account(a breaker.Account) admin.Account {
	if suspects := v.apps.Suspects(); a.State == breaker.AccountOK && len(suspects) > 0 {
		first := suspects[0]
		return admin.Account{State: admin.AccountSuspect, Since: first.Since, Code: strconv.FormatInt(first.Code, 10)}
	}
	return admin.Account{State: string(a.State), Since: a.Since, Code: a.Code}
}

// budgetTimes are how long budgets last yet, and what is left of their totals if this
// instance alone counts those.
func budgetTimes(times []policy.Time, alone bool) []admin.Budget {
	list := make([]admin.Budget, len(times))
	for i, t := range times {
		list[i] = admin.Budget{Scene: t.Scene, Kind: admin.BudgetOfPasses, Cause: t.Under.String(), For: t.For, Ends: t.Ends, Over: !t.Ends.After(time.Now()), Then: t.Then.String()}
		if !t.Total.IsZero() {
			list[i].Total = t.Total.String()
			if alone {
				list[i].Left = &times[i].Left
			}
		}
		if t.Solved {
			list[i].Kind = admin.BudgetOfSolutions
		}
	}
	return list
}

func throttled(t breaker.Throttling) *admin.Throttled {
	if t.Since.IsZero() {
		return nil
	}
	return new(admin.Throttled(t))
}

// script is what the probe of the page's script knows.
func script(s watch.ScriptStatus) admin.Script {
	shown := admin.Script{State: admin.ScriptUp, Problem: s.Problem}
	if !s.Since.IsZero() {
		shown.Since = &s.Since
	}
	switch {
	case !s.Watched:
		shown.State = admin.ScriptOff
	case s.Down:
		shown.State = admin.ScriptDown
	case !s.Succeeded:
		shown.State = admin.ScriptNever
	}
	return shown
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
	v.incidents.Recount(v.counts)
	return v.incidents.List(limit)
}

// Series is what happened in the last minutes.
func (v *views) Series(minutes int) (every time.Duration, points []watch.Point) {
	return v.history.Points(minutes)
}

// Incident is one outage by its id.
func (v *views) Incident(id string) (watch.Incident, bool) {
	v.incidents.Recount(v.counts)
	return v.incidents.Find(id)
}

// Scenes are what scenes do with users whom nobody can verify.
func (v *views) Scenes() (all []admin.Scene) {
	for _, name := range v.policy.Scenes() {
		if s, ok := v.policy.Scene(name); ok {
			all = append(all, admin.Scene{Name: name, Degraded: s.Degraded.String(), Budget: budgetText(s.Budget), Over: s.OverAction().String()})
		}
	}
	return all
}

// budgetText says what a budget lets through; "" for nothing bounded.
func budgetText(b policy.Budget) string {
	var parts []string
	for _, part := range []struct {
		rate policy.Rate
		of   string
	}{{b.PerIP, " an address"}, {b.PerSubject, " a subject"}, {b.Total, " in all"}} {
		if !part.rate.IsZero() {
			parts = append(parts, part.rate.String()+part.of)
		}
	}
	if b.For > 0 {
		parts = append(parts, "for "+shortSpan(b.For))
	}
	return strings.Join(parts, ", ")
}

// shortSpan writes 15m0s as 15m.
func shortSpan(d time.Duration) string {
	return strings.Replace(strings.Replace(d.String(), "m0s", "m", 1), "h0m", "h", 1)
}

// SLA is a month's service levels.
func (v *views) SLA(month string) (sla.Report, error) { return v.levels.Month(month) }

// counts are how re-verification of an incident stands here.
func (v *views) counts(incident string) watch.Counts {
	return watch.Counts(v.queue.Counts(incident))
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

// Alarms reports whether alarms go anywhere.
func (v *views) Alarms() bool { return v.alarms.On() }

// TestAlarms sends a test of the alarms.
func (v *views) TestAlarms(ctx context.Context, actor string) error {
	if !v.alarms.On() {
		return admin.ErrNoAlarms
	}
	return v.alarms.Test(ctx, actor)
}

// Who is what a user is called in the log.
func (v *views) Who(ctx context.Context, ip netip.Addr, subject string) ([]admin.Name, error) {
	return v.names.Names(ctx, ip, subject)
}

func circuit(b breaker.Status) admin.Breaker {
	c := admin.Breaker{
		State: b.State.String(), Since: b.Since, Evidence: b.Evidence,
		Requests: b.Requests, Failures: b.Failures, Slow: b.Slow,
		ConsecutiveFailures: b.ConsecutiveFailures, Disbelieved: b.Disbelieved,
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
