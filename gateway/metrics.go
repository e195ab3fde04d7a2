package gateway

import (
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"captchagate/policy"
)

// registerMetrics registers what belongs to no single room.
func (g *Gateway) registerMetrics() {
	metrics := promauto.With(g.registry)
	for _, mode := range []policy.Mode{policy.ModeNormal, policy.ModeDegraded} {
		metrics.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "captchagate_mode", Help: "1 for the process mode that holds.",
			ConstLabels: prometheus.Labels{"mode": string(mode)},
		}, func() float64 { return truth(g.situation.mode() == mode) })
	}
	metrics.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "captchagate_store_healthy", Help: "1 while the store takes writes.",
	}, func() float64 { return truth(g.store.Healthy()) })
	metrics.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "captchagate_connections", Help: "Connections that callers hold open on listen.",
	}, func() float64 { return float64(g.connections.Open()) })
	metrics.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "captchagate_build_info", Help: "Always 1.",
		ConstLabels: prometheus.Labels{"version": Version(), "goversion": goVersion()},
	}, func() float64 { return 1 })
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Version is the module's version as the build recorded it, "devel" if it
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
