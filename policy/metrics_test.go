package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/policy"
)

// series are those of a metric as "label label … value", of counters their
// value and of histograms their number of observations.
func series(t *testing.T, reg *prometheus.Registry, name string) (all []string) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var s strings.Builder
			for _, l := range m.GetLabel() {
				fmt.Fprintf(&s, "%s=%s ", l.GetName(), l.GetValue())
			}
			n := m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			all = append(all, fmt.Sprintf("%s%v", s.String(), n))
		}
	}
	return all
}

// Every decision that a scene can come to stands at 0 from the start, and no
// other: a dashboard that sums them up misses none.
func TestMetrics_StandAtZeroFromTheStart(t *testing.T) {
	for _, c := range []struct {
		scene    policy.Scene
		perCause []string // decision and reason, for each cause
	}{
		{allows, []string{"allow degraded_allow", "challenge challenge_required", "deny degraded_deny", "allow challenge_solved", "deny challenge_failed"}},
		{challenges, []string{"challenge challenge_required", "deny degraded_deny", "allow challenge_solved", "deny challenge_failed"}},
		{denies, []string{"deny degraded_deny", "deny challenge_failed"}},
	} {
		w := newWorld(c.scene)
		w.policy()
		want := []string{}
		add := func(cause captcha.Cause, decision, reason string) {
			want = append(want, fmt.Sprintf("cause=%s decision=%s reason=%s scene=%s 0", cause, decision, reason, theScene))
		}
		add("", "allow", "verified")
		add("", "deny", "rejected")
		add("", "deny", "malicious")
		add("", "deny", "challenge_failed")
		add(captcha.CauseUpstreamFault, c.scene.Degraded.String(), "outcome_unknown")
		for _, cause := range captcha.Causes() {
			for _, row := range c.perCause {
				decision, reason, _ := strings.Cut(row, " ")
				add(cause, decision, reason)
			}
		}
		got := series(t, w.reg, "captchagate_decisions_total")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%v:\n got %s\nwant %s", c.scene.Degraded, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
		if got, want := series(t, w.reg, "captchagate_decision_seconds"), []string{"mode=degraded 0", "mode=normal 0"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if got, want := len(series(t, w.reg, "captchagate_disaster_tickets_total")), 6*2*3+1; got != want {
			t.Errorf("%d series of disaster tickets, want one for each form, corroborated or not, and outcome, and one for what has no form", got)
		}
	}
}

func TestMetrics_CountEachDecisionOnce(t *testing.T) {
	inBubble(t, func() {
		w := newWorld(challenges)
		w.fails = captcha.CircuitOpen
		p := w.policy()
		d := p.Decide(t.Context(), ticket(1))
		p.Repeat(t.Context(), theScene, d)
		r := ticket(2)
		r.Ticket.Value = "trerror_x"
		p.Decide(t.Context(), r)
		p.Decide(t.Context(), disaster(1001, ourApp, today))
		w.scriptDown = true
		p.Decide(t.Context(), disaster(1001, ourApp, today))
		counted := func(name string) (lines []string) {
			for _, s := range series(t, w.reg, name) {
				if !strings.HasSuffix(s, " 0") {
					lines = append(lines, s)
				}
			}
			slices.Sort(lines)
			return lines
		}
		for name, want := range map[string][]string{
			"captchagate_decisions_total": {
				"cause= decision=deny reason=rejected scene=scene 1",
				"cause=circuit_open decision=challenge reason=challenge_required scene=scene 2",
				"cause=disaster_ticket decision=challenge reason=challenge_required scene=scene 2",
			},
			"captchagate_decision_seconds": {"mode=degraded 4", "mode=normal 1"},
			"captchagate_disaster_tickets_total": {
				"corroborated=false form=standard outcome=challenge 1",
				"corroborated=false form=unknown outcome=deny 1",
				"corroborated=true form=standard outcome=challenge 1",
			},
		} {
			if got := counted(name); !slices.Equal(got, want) {
				t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		}
	})
}
