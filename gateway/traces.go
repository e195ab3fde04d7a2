package gateway

import (
	"context"
	"log/slog"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/public"
	"captchagate/trace"
)

// newTraces makes what traces are made with, if the configuration says where they go.
func (g *Gateway) newTraces(ctx context.Context) (err error) {
	if g.traces, err = trace.New(ctx, g.cfg.Telemetry, Version(), g.log); g.traces != nil {
		g.closers = append(g.closers, g.traces.Close)
		g.upstream.Around(g.traces.RoundTripper)
	}
	return err
}

// traced has the lines of the log name the trace that they belong to, if there are any.
func traced(lines slog.Handler, cfg config.Config) slog.Handler {
	if cfg.Telemetry.OTLPEndpoint == "" {
		return lines
	}
	return trace.Logs(lines)
}

// decider is who decides about users.
func (g *Gateway) decider() public.Decider {
	if g.traces == nil {
		return g.policy
	}
	return policyWithTraces{g.policy}
}

// policyWithTraces tells the trace of a request what was decided about its user.
type policyWithTraces struct{ *policy.Policy }

// Decide is the policy's.
func (p policyWithTraces) Decide(ctx context.Context, r policy.Request) policy.Decision {
	d := p.Policy.Decide(ctx, r)
	tell(ctx, r.Scene, d)
	return d
}

// Repeat is the policy's.
func (p policyWithTraces) Repeat(ctx context.Context, scene string, d policy.Decision) {
	p.Policy.Repeat(ctx, scene, d)
	tell(ctx, scene, d)
	trace.Tell(ctx, "replay", "true")
}

func tell(ctx context.Context, scene string, d policy.Decision) {
	trace.Tell(ctx, "decision_id", d.ID, "scene", scene, "decision", d.Action.String(), "reason", string(d.Reason),
		"mode", string(d.Mode), "cause", string(d.Cause), "degraded_by", string(d.DegradedBy))
}
