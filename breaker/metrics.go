package breaker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	attempts    map[string]prometheus.Counter
	seconds     prometheus.Histogram
	sent, spent prometheus.Counter
	transitions *prometheus.CounterVec
	probes      *prometheus.CounterVec
	disbelieved prometheus.Counter
	calls       Calls
}

// newMetrics registers what is counted and what b is asked for when it is scraped.
// Series whose labels are known beforehand stand at 0 from the start.
func newMetrics(reg prometheus.Registerer, b *Breaker, calls Calls) *metrics {
	auto := promauto.With(reg)
	attempts := auto.NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_upstream_attempts_total", Help: "Calls made to the Captcha API, by outcome.",
	}, []string{"outcome"})
	retries := auto.NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_retries_total", Help: "Retries that were sent, or not sent because the budget was spent.",
	}, []string{"result"})
	m := &metrics{
		calls:    calls,
		attempts: map[string]prometheus.Counter{},
		seconds: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "captchagate_upstream_attempt_seconds", Help: "Duration of a call to the Captcha API.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .3, .5, .8, 1, 2},
		}),
		sent:  retries.WithLabelValues("sent"),
		spent: retries.WithLabelValues("budget_spent"),
		transitions: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_breaker_transitions_total", Help: "Changes of the circuit's state.",
		}, []string{"from", "to"}),
		probes: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_probes_total", Help: "Probes, by what they said of the Captcha API.",
		}, []string{"result"}),
		disbelieved: auto.NewCounter(prometheus.CounterOpts{
			Name: "captchagate_breaker_disbelieved_total", Help: "Failed calls, probes included, that were no evidence because this process stood still meanwhile.",
		}),
	}
	for _, outcome := range []string{"passed", "rejected", "malicious", "fault", "throttled", "misconfigured", "cancelled"} {
		m.attempts[outcome] = attempts.WithLabelValues(outcome)
	}
	for _, way := range [][2]State{{Closed, Open}, {Open, HalfOpen}, {HalfOpen, Open}, {HalfOpen, Recovering}, {Open, Recovering}, {Recovering, Open}, {Recovering, Closed}, {Closed, Recovering}} {
		m.transitions.WithLabelValues(way[0].String(), way[1].String())
	}
	for _, name := range healthNames {
		m.probes.WithLabelValues(name)
	}
	registerGauges(auto, b)
	return m
}

func registerGauges(auto promauto.Factory, b *Breaker) {
	gauge := func(name, help string, value func() float64) {
		auto.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	gauge("captchagate_upstream_in_flight", "Calls to the Captcha API in flight.", func() float64 { return float64(b.inFlight.count()) })
	gauge("captchagate_breaker_state", "0 closed, 1 half open, 2 open, 3 recovering.", func() float64 { return float64(b.State()) })
	gauge("captchagate_account_refused", "1 while the Captcha API refuses the account.", func() float64 {
		if b.account.whole.Load().State == AccountRefused {
			return 1
		}
		return 0
	})
}

func (m *metrics) attempt(outcome string, took time.Duration) {
	m.attempts[outcome].Inc()
	m.seconds.Observe(took.Seconds())
	m.calls.Called(outcome, took)
}
