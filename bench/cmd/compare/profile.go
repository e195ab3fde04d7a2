package main

import (
	"context"
	"path/filepath"
	"time"

	"captchagate/bench/rig"
)

// takeProfile writes a CPU profile of ours under the load of P1, or of degraded
// answers if a scene is named.
func takeProfile(ctx context.Context, r *rig.Rig, o options) error {
	out, err := filepath.Abs(o.profile)
	if err != nil {
		return err
	}
	api, err := r.StartAPI(ctx, rig.LightAPI, "0s")
	if err != nil {
		return err
	}
	start := r.StartGateway
	if o.fleet {
		start = r.StartFleet
	}
	g, err := start(ctx, rig.Profiled, api.Addr, "--cpuprofile", out)
	if err != nil {
		return err
	}
	ours := gatewaySide("ours", g)
	if o.scene != "" {
		ours.scene, ours.want = o.scene, `"mode":"degraded"`
		if err := degrade(ctx, g); err != nil {
			return err
		}
	}
	s := &stage{rig: r, o: o}
	if err := s.alternate(ctx, o.conns, max(o.length, 5*time.Second), nil, ours); err != nil {
		return err
	}
	g.Stop()
	return nil
}
