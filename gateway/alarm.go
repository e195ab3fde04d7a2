package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"captchagate/alarms"
	"captchagate/breaker"
	"captchagate/control"
	"captchagate/sla"
	"captchagate/watch"
)

// newAlarms makes what tells operators, and has the recorder feed it.
func (g *Gateway) newAlarms(ctx context.Context, events *recorder, transport http.RoundTripper) (err error) {
	from := alarms.From{Instance: g.instance}
	if url := g.cfg.Admin.PublicURL; url != "" {
		from.URL = strings.TrimSuffix(url, "/") + "/"
	}
	g.alarms, err = alarms.New(ctx, g.cfg.Alarms, from, g.store, transport, g.upstream.CountLocalTrouble, g.log, g.registry)
	if err != nil {
		return err
	}
	events.alarms = g.alarms
	g.control.FollowAudit(events.alarmAudit)
	return nil
}

// instance names this one: its host and where it listens.
func (g *Gateway) instance() string {
	host, listen := "", g.cfg.Listen
	if g.group != nil {
		host, listen = g.group.host, g.group.listen
	} else {
		host, _ = os.Hostname() // without a name its listener tells which it is
	}
	return strings.TrimSpace(plain(host) + " " + plain(listen))
}

// alarmCircuit tells that the circuit opened, and that it is closed again. What lies
// between, such as a recovery that failed, is one outage.
func (r *recorder) alarmCircuit(t breaker.Transition) {
	switch {
	case t.To == breaker.Open && r.opened.IsZero():
		r.opened = t.At
		r.alarms.RaiseAt(t.At, alarms.Opened, "", "the Captcha API is away and users get what each scene does then: "+t.Evidence, t)
	case t.To == breaker.Closed && !r.opened.IsZero():
		lasted := t.At.Sub(r.opened).Round(time.Second)
		r.opened = time.Time{}
		r.alarms.RaiseAt(t.At, alarms.Recovered, "", fmt.Sprintf("the Captcha API is back and verifies all users again, after %v", lasted), t)
	}
}

// alarmScript tells nothing of what the script's host said.
func (r *recorder) alarmScript(s watch.ScriptStatus) {
	detail := map[string]any{"since": s.Since, "failures": s.Failures}
	if s.Down {
		r.alarms.Raise(alarms.ScriptDown, "", fmt.Sprintf("the page's script does not load, %d times in a row from here; disaster tickets are believed", s.Failures), detail)
		return
	}
	r.alarms.Raise(alarms.ScriptUp, "", "the page's script loads again", detail)
}

// auditNews is how old an entry of the audit may be that is told: an instance that joins a
// fleet learns those of a day.
const auditNews = 2 * time.Minute

// alarmAudit tells what is told in the audit of all instances: what operators switched, and
// what is wrong with the fleet.
func (r *recorder) alarmAudit(e control.Entry) {
	if time.Since(e.At) > auditNews {
		return
	}
	if e.Kind == control.KindSwitch {
		r.alarms.RaiseAt(e.At, alarms.Switched, "", e.Summary+" (by "+e.Actor+")", e.Detail)
		return
	}
	var detail struct {
		Alarm, Trouble string
		Over           bool
	}
	if json.Unmarshal(e.Detail, &detail) == nil && detail.Alarm == string(alarms.FleetTrouble) && !detail.Over {
		r.alarms.RaiseAt(e.At, alarms.FleetTrouble, detail.Trouble, e.Summary, e.Detail)
	}
}

// spentAgain is how often it is told that a scene's budget is spent, outside incidents.
const spentAgain = time.Hour

// A spentBudget is when it was last told that a scene's is spent, and in which incident.
type spentBudget struct {
	incident string
	at       time.Time
}

// spentBudgets are those of all scenes, told once an incident.
type spentBudgets struct {
	mu   sync.Mutex
	told map[string]spentBudget
}

// first reports whether this has not been told of a scene yet.
func (s *spentBudgets) first(scene, incident string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, told := s.told[scene]
	if told && was.incident == incident && (incident != "" || now.Sub(was.at) < spentAgain) {
		return false
	}
	if s.told == nil {
		s.told = map[string]spentBudget{}
	}
	s.told[scene] = spentBudget{incident, now}
	return true
}

// budgetSpent is told by the policy of each user for whom a scene's budget as a whole has
// no room.
func (r *recorder) budgetSpent(scene, why string) {
	if !r.alarms.On() || !r.spent.first(scene, r.incidents.Current(), time.Now()) {
		return
	}
	r.alarms.Raise(alarms.BudgetSpent, scene, fmt.Sprintf("the budget of scene %s is spent (%s): users get what its over_budget says", scene, why), map[string]string{"scene": scene, "spent": why})
}

const (
	// claimNotice is how long before a claim's last day it is told.
	claimNotice = 21 * 24 * time.Hour
	// claimKept is longer than a claim can be told.
	claimKept   = 70 * 24 * time.Hour
	claimsEvery = time.Hour
	claimBucket = "alarms of claims"
)

// watchClaims tells of each month's claim once, before its last day, until ctx ends.
func (g *Gateway) watchClaims(ctx context.Context) {
	if !g.alarms.On() {
		return
	}
	next := time.NewTimer(time.Minute) // the fleet's days are known by then
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		for _, r := range g.levels.Due(claimNotice) {
			first, err := g.store.Once(ctx, claimBucket, r.Month, claimKept)
			if err == nil && first {
				g.alarmClaim(r)
			}
		}
		next.Reset(claimsEvery)
	}
}

func (g *Gateway) alarmClaim(r sla.Report) {
	last := r.Claim.Until.Add(-time.Second).Format(time.DateOnly)
	summary := fmt.Sprintf("%d verifications of %s can be claimed until %s: see gateway sla --month %s. %s", r.Claim.Verifications, r.Month, last, r.Month, sla.OwnRecords)
	g.alarms.Raise(alarms.SLAClaim, r.Month, summary, map[string]any{"month": r.Month, "availability": r.Availability, "target": r.Target, "claim": r.Claim, "last_day": last})
}
