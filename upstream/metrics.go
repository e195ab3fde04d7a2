package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"captchagate/captcha"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	unknownCodes prometheus.Counter
	connects     *prometheus.CounterVec
	seconds      prometheus.Histogram
	resent       prometheus.Counter

	idle, inUse, connecting prometheus.Gauge // connections

	local *prometheus.CounterVec
}

var connectResults = []string{"ok", "lookup", "refused", "timeout", "tls", "local", "failed"}

// newMetrics registers the room's series. A client that replaces another finds
// them there already.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	r := registration{reg: reg}
	connections := registered(&r, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "captchagate_upstream_connections", Help: "Connections to the Captcha API.",
	}, []string{"state"}))
	m := &metrics{
		unknownCodes: registered(&r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "captchagate_upstream_unknown_codes_total",
			Help: "Answers with a CaptchaCode that has no known meaning; they reject.",
		})),
		connects: registered(&r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_upstream_connects_total",
			Help: "Connections to the Captcha API that were made or could not be made.",
		}, []string{"result"})),
		seconds: registered(&r, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "captchagate_upstream_connect_seconds", Help: "Time to make a connection: lookup, connect and TLS.",
			Buckets: []float64{.001, .005, .02, .05, .1, .2, .3, .5, .8, 1, 1.5},
		})),
		resent: registered(&r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "captchagate_upstream_resent_total",
			Help: "Calls that met a kept connection which had died, and were sent again at once on a fresh one.",
		})),
		idle:       connections.WithLabelValues("idle"),
		inUse:      connections.WithLabelValues("in_use"),
		connecting: connections.WithLabelValues("connecting"),
		local: registered(&r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_local_trouble_total",
			Help: "Calls to the Captcha API, fetches of the script and reports to the webhook that failed for want of descriptors, ports or memory of this host.",
		}, []string{"kind"})),
	}
	if r.err != nil {
		return nil, r.err
	}
	for _, result := range connectResults {
		m.connects.WithLabelValues(result)
	}
	for _, kind := range captcha.LocalTroubleKinds {
		m.local.WithLabelValues(kind)
	}
	return m, nil
}

// A registration stops at its first error.
type registration struct {
	reg prometheus.Registerer
	err error
}

// registered returns c once it is registered, or what was registered in its
// place before.
func registered[C prometheus.Collector](r *registration, c C) C {
	err := r.reg.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
	}
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("registering a metric: %w", err)
	}
	return c
}

// count tells how many connections there are.
func (m *metrics) count(idle, inUse, connecting int) {
	m.idle.Set(float64(idle))
	m.inUse.Set(float64(inUse))
	m.connecting.Set(float64(connecting))
}

// connected counts the end of making a connection.
func (m *metrics) connected(took time.Duration, err error) {
	m.connects.WithLabelValues(connectResult(err)).Inc()
	if err == nil {
		m.seconds.Observe(took.Seconds())
	}
}

func connectResult(err error) string {
	_, local := captcha.LocalTrouble(err)
	_, dns := errors.AsType[*net.DNSError](err)
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case err == nil:
		return "ok"
	case local:
		return "local"
	case dns:
		return "lookup"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, context.DeadlineExceeded), ok && timeout.Timeout():
		return "timeout"
	case tlsFailure(err):
		return "tls"
	default:
		return "failed"
	}
}
