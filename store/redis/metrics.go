package redis

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// calls are the labels of the metrics.
var calls = []string{"beat", "take", "marked", "mark", "release", "claim", "answer", "tend", "queue", "fleets"}

type metrics struct {
	seconds *prometheus.HistogramVec
	failed  *prometheus.CounterVec
	shut    *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	with := promauto.With(reg)
	m := &metrics{
		seconds: with.NewHistogramVec(prometheus.HistogramOpts{
			Name: "captchagate_redis_seconds", Help: "How long calls of Redis took, those that failed too.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .2},
		}, []string{"call"}),
		failed: with.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_redis_failed_total", Help: "Calls of Redis that failed, or for which nobody waited to the end.",
		}, []string{"call"}),
		shut: with.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_redis_refused_total", Help: "Calls of Redis that were not made, because it did not answer those before in time.",
		}, []string{"call"}),
	}
	for _, call := range calls {
		m.seconds.WithLabelValues(call)
		m.failed.WithLabelValues(call)
		m.shut.WithLabelValues(call)
	}
	return m
}

func (m *metrics) called(call string, took time.Duration, err error) {
	m.seconds.WithLabelValues(call).Observe(took.Seconds())
	if err != nil {
		m.failed.WithLabelValues(call).Inc()
	}
}

func (m *metrics) refused(call string) { m.shut.WithLabelValues(call).Inc() }
