package gateway

import (
	"time"

	"captchagate/admin"
	"captchagate/breaker"
)

// status is what operators see.
func (g *Gateway) status() admin.Status {
	b := g.breaker.Status()
	return admin.Status{
		Mode:     string(g.situation.mode()),
		Override: g.control.Override(),
		Drills:   g.control.Drills(),
		Breaker:  circuit(b),
		Account:  admin.Account{State: string(b.Account.State), Since: b.Account.Since, Code: b.Account.Code},
		Upstream: admin.Upstream{InFlight: b.InFlight, P50MS: milliseconds(b.P50), P99MS: milliseconds(b.P99)},
		Store:    admin.Store{Kind: g.store.Kind(), Healthy: g.store.Healthy()},
	}
}

func circuit(b breaker.Status) admin.Breaker {
	c := admin.Breaker{
		State: b.State.String(), Since: b.Since, Evidence: b.Evidence,
		Requests: b.Requests, Failures: b.Failures, Slow: b.Slow,
		ConsecutiveFailures: b.ConsecutiveFailures,
	}
	if !b.NextProbeAt.IsZero() {
		c.NextProbeAt = &b.NextProbeAt
	}
	for _, t := range b.Transitions {
		c.Transitions = append(c.Transitions, admin.Transition{
			At: t.At, From: t.From.String(), To: t.To.String(), Evidence: t.Evidence,
		})
	}
	return c
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}
