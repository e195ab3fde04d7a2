package gateway

import (
	"fmt"
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
	metrics.NewCounterFunc(prometheus.CounterOpts{
		Name: "captchagate_store_kept_out_total", Help: "Users who were not let through because the store took no writes; their answers say budget_spent.",
	}, g.storeTrouble.keptOut)
	metrics.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "captchagate_connections", Help: "Connections that callers hold open on listen.",
	}, func() float64 { return float64(g.connections.Open()) })
	metrics.NewCounterFunc(prometheus.CounterOpts{
		Name: "captchagate_log_dropped_total", Help: "Lines of the log that could not be written in time.",
	}, g.droppedLines)
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

// Build is version, commit and Go version, as far as the build recorded them.
func Build() string {
	commit := "no commit recorded"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = "commit " + s.Value
			}
		}
	}
	return fmt.Sprintf("captchagate %s, %s, %s", Version(), commit, goVersion())
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return ""
}
