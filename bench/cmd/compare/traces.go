package main

import (
	"context"
	"os"

	"captchagate/bench/drive"
	"captchagate/bench/rig"
)

// oneIn is how many requests there are for one that is sampled.
const oneIn = 100

// traces compares what a request costs with traces and without, where the caller traces and
// samples one in a hundred, and where no caller traces and the gateway does. A third gateway
// that sends none says how far such figures can be trusted.
func traces(ctx context.Context, s *stage) ([]row, error) {
	for name, value := range map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	api, err := s.rig.StartAPI(ctx, rig.LightAPI, "0s")
	if err != nil {
		return nil, err
	}
	collector, err := s.rig.StartAPI(ctx, rig.LightAPI, "0s") // it takes whatever is posted
	if err != nil {
		return nil, err
	}
	var gateways [3]*rig.Process
	for i := range gateways {
		if i < 2 {
			gateways[i], err = s.rig.StartGateway(ctx, rig.Gateway, api.Addr)
		} else {
			gateways[i], err = s.rig.StartTraced(ctx, api.Addr, collector.Addr)
		}
		if err != nil {
			return nil, err
		}
	}
	head := drive.Traced(oneIn)
	off, again, on, own := gatewaySide("off", gateways[0]), gatewaySide("off again", gateways[1]), gatewaySide("on", gateways[2]), gatewaySide("on, of its own", gateways[2])
	off.head, again.head, on.head = head, head, head
	if err := s.alternate(ctx, busy, s.o.length, nil, off, on, own, again); err != nil {
		return nil, err
	}
	return []row{
		compare("P7", "CPU a verified request with traces, of which callers sample 1 %, against none", "µs", on, off, outcome.perRequest).most(1.03),
		compare("P7", "the same where callers do not trace and the gateway samples 1 %", "µs", own, off, outcome.perRequest).most(1.03),
		compare("P7", "none against none", "µs", again, off, outcome.perRequest),
	}, nil
}
