package gateway

import (
	"context"
	"log/slog"
	"time"

	"captchagate/config"
	"captchagate/connlimit"
)

const (
	// maxOperators bounds the connections of the operators' listener.
	maxOperators = 256
	// ownDescriptors is what the process needs besides its connections: the
	// store's file, the logs, listeners, the script probe, the webhook.
	ownDescriptors = 64
)

// newConnections bounds what both listeners hold, so that descriptors are left
// for calls to the Captcha API: a full table of ours must not look like an outage.
func newConnections(cfg config.Config, descriptors int, log *slog.Logger) (public, operators *connlimit.Limiter) {
	forOperators := min(maxOperators, descriptors/8)
	own := cfg.Upstream.MaxInFlight + forOperators + ownDescriptors
	allowed := connlimit.Share(cfg.MaxConnections, descriptors, own)
	if allowed < cfg.MaxConnections {
		log.Warn("max_connections was lowered: this process may have too few descriptors open; raise its limit (ulimit -n, LimitNOFILE=)",
			"max_connections", cfg.MaxConnections, "lowered_to", allowed, "descriptors", descriptors, "needed", cfg.MaxConnections+own)
	}
	return connlimit.New(allowed, cfg.TrustedProxies), connlimit.New(forOperators, nil)
}

// beat tells those who bound connections every second that the process lives, until ctx
// ends. It does nothing else: whatever waits for a disk would look like a standstill.
func (g *Gateway) beat(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			g.lives()
		case <-ctx.Done():
			return
		}
	}
}

func (g *Gateway) lives() {
	stood, left := g.connections.Beat()
	_, _ = g.operators.Beat()
	if stood > 0 {
		g.log.Warn("this process stood still: it was stopped, or its machine was; requests whose callers have left since are dropped", "for", stood.Round(time.Second).String())
	}
	if left > 0 { // no warning: those are folded where two say the same count
		g.log.Info("requests that came while this process stood still were dropped: their callers had left", "requests", left)
	}
}
