package policy

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
)

// unknownForm stands for what claims to be a disaster ticket and has none of
// the forms.
const unknownForm = "unknown"

type metrics struct {
	decisions *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	disasters *prometheus.CounterVec
}

// newMetrics registers the policy's series; those whose labels are known
// beforehand stand at 0 from the start.
func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_decisions_total", Help: "Decisions, by scene, decision, reason and cause.",
		}, []string{"scene", "decision", "reason", "cause"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "captchagate_decision_seconds", Help: "Time to a decision.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .3, .5, .8, 1, 2, 3},
		}, []string{"mode"}),
		disasters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_disaster_tickets_total", Help: "Disaster tickets, by form, whether corroborated, and decision.",
		}, []string{"form", "corroborated", "outcome"}),
	}
	for _, mode := range []Mode{ModeNormal, ModeDegraded} {
		m.seconds.WithLabelValues(string(mode))
	}
	m.disasters.WithLabelValues(unknownForm, "false", Deny.String())
	for _, form := range captcha.Forms() {
		for _, a := range []Action{Allow, Challenge, Deny} {
			m.disasters.WithLabelValues(string(form), "false", a.String())
			m.disasters.WithLabelValues(string(form), "true", a.String())
		}
	}
	reg.MustRegister(m.decisions, m.seconds, m.disasters)
	return m
}

// seed has the series of a scene stand at 0.
func (m *metrics) seed(name string, s Scene) {
	m.decisions.WithLabelValues(name, "allow", string(ReasonVerified), "")
	m.decisions.WithLabelValues(name, "deny", string(ReasonRejected), "")
	m.decisions.WithLabelValues(name, "deny", string(ReasonMalicious), "")
	m.decisions.WithLabelValues(name, "deny", string(ReasonChallengeFailed), "")
	m.decisions.WithLabelValues(name, s.Degraded.String(), string(ReasonOutcomeUnknown), string(captcha.CauseUpstreamFault))
	for _, c := range captcha.Causes() {
		m.decisions.WithLabelValues(name, "deny", string(ReasonChallengeFailed), string(c))
		if s.Degraded != Deny {
			m.decisions.WithLabelValues(name, "allow", string(ReasonChallengeSolved), string(c))
		}
		for a, reason := range reasons {
			if a >= s.Degraded {
				m.decisions.WithLabelValues(name, a.String(), string(reason), string(c))
			}
		}
	}
}

func (m *metrics) decision(scene string, d Decision, took time.Duration) {
	m.decisions.WithLabelValues(scene, d.Action.String(), string(d.Reason), string(d.Cause)).Inc()
	m.seconds.WithLabelValues(string(d.Mode)).Observe(took.Seconds())
}

func (m *metrics) disaster(form string, corroborated bool, a Action) {
	m.disasters.WithLabelValues(form, strconv.FormatBool(corroborated), a.String()).Inc()
}
