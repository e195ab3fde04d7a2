package gateway

import (
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/policy"
)

type metrics struct {
	refusals *prometheus.CounterVec
}

// newMetrics registers what belongs to no single room.
func newMetrics(reg prometheus.Registerer, g *Gateway) *metrics {
	m := &metrics{refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_refused_total", Help: "Requests refused for what the caller wrote, by status.",
	}, []string{"status"})}
	for _, status := range []int{400, 401, 403, 404, 405, 409, 413, 415, 429} {
		m.refusals.WithLabelValues(strconv.Itoa(status))
	}
	reg.MustRegister(m.refusals)
	for _, mode := range []policy.Mode{policy.ModeNormal, policy.ModeDegraded} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "captchagate_mode", Help: "1 for the process mode that holds.",
			ConstLabels: prometheus.Labels{"mode": string(mode)},
		}, func() float64 { return truth(g.situation.mode() == mode) }))
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "captchagate_store_healthy", Help: "1 while the store takes writes.",
	}, func() float64 { return truth(g.store.Healthy()) }))
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "captchagate_build_info", Help: "Always 1.",
		ConstLabels: prometheus.Labels{"version": Version(), "goversion": goVersion()},
	}, func() float64 { return 1 }))
	return m
}

func (m *metrics) refused(status int) { m.refusals.WithLabelValues(strconv.Itoa(status)).Inc() }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Version is the module's version as the build recorded it, "devel" where it
// did not.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Version
	}
	return "devel"
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return ""
}

// panicSite is the stack of the running panic, function names and lines only.
func panicSite() string { return string(debug.Stack()) }
