package sla_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/sla"
)

// BenchmarkSaw counts calls that were answered, from all cores.
func BenchmarkSaw(b *testing.B) {
	levels, err := sla.New(b.Context(), agreement, &memory{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			levels.Saw(captcha.Seen{At: now})
		}
	})
}
