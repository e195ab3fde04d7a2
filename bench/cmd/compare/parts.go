package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"captchagate/admin"
	"captchagate/bench/drive"
	"captchagate/bench/rig"
	"captchagate/control"
)

const busy, crowded = 64, 256 // connections

// fleetMost is what being in a fleet may cost at most in normal mode.
const fleetMost = 0.05

// A part is what is measured with one set of processes.
type part struct {
	letter byte
	name   string
	fleet  bool // it is asked of a fleet too
	run    func(context.Context, *stage) ([]row, error)
}

var parts = []part{
	{'s', "64 connections, simulator without latency", true, throughSimulator},
	{'l', "64 connections, light API without latency", true, throughLightAPI},
	{'o', "one connection", true, oneConnection},
	{'m', "256 connections, API of 5 ms", true, manyConnections},
	{'d', "degraded answers", false, degraded},
	{'b', "the other doors for backends", false, otherDoors},
	{'t', "traces", false, traces},
}

// both starts an API and the two that are compared over it: ours and the 60 lines, or
// ours in a fleet and alone.
func (s *stage) both(ctx context.Context, api, latency string) (a *rig.Process, ours, theirs *side, err error) {
	if a, err = s.rig.StartAPI(ctx, api, latency); err != nil {
		return nil, nil, nil, err
	}
	start := []func() (*rig.Process, error){
		func() (*rig.Process, error) { return s.rig.StartGateway(ctx, rig.Gateway, a.Addr) },
		func() (*rig.Process, error) { return s.rig.StartSimple(ctx, a.Addr) },
	}
	if s.o.fleet {
		start[0], start[1] = func() (*rig.Process, error) { return s.rig.StartFleet(ctx, rig.Gateway, a.Addr) }, start[0]
	}
	first, err := start[0]()
	if err != nil {
		return nil, nil, nil, err
	}
	second, err := start[1]()
	if err != nil {
		return nil, nil, nil, err
	}
	names := s.o.names()
	return a, gatewaySide(names[0], first), gatewaySide(names[1], second), nil
}

// most and least are targets of ours to the other: of a fleet's instance to one that is
// alone it is fleetMost either way.
func (s *stage) most(ratio float64) float64 {
	if s.o.fleet {
		return 1 + fleetMost
	}
	return ratio
}

func (s *stage) least(ratio float64) float64 {
	if s.o.fleet {
		return 1 - fleetMost
	}
	return ratio
}

func throughSimulator(ctx context.Context, s *stage) ([]row, error) {
	api, ours, theirs, err := s.both(ctx, rig.Simulator, "0s")
	if err != nil {
		return nil, err
	}
	if err := s.alternate(ctx, busy, s.o.length, api, ours, theirs); err != nil {
		return nil, err
	}
	return []row{
		compare("P1", "CPU a verified request, simulator", "µs", ours, theirs, outcome.perRequest).most(s.most(0.45)),
		compare("P2", "throughput on all cores, simulator and generator included", "/s", ours, theirs, outcome.PerSecond).least(s.least(2.2)),
	}, nil
}

// throughLightAPI has an API that costs next to nothing, so that what both
// gateways have in common does not hide the difference.
func throughLightAPI(ctx context.Context, s *stage) ([]row, error) {
	api, ours, theirs, err := s.both(ctx, rig.LightAPI, "0s")
	if err != nil {
		return nil, err
	}
	reuse := map[*side]*traffic{ours: {}, theirs: {}}
	for round := range s.o.rounds + 1 {
		for _, one := range inTurn(round, []*side{ours, theirs}) {
			got, more, err := s.counted(ctx, one, api)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.name, err)
			}
			if round > 0 { // the first warms up
				one.rounds = append(one.rounds, got)
				reuse[one].Calls += more.Calls
				reuse[one].Connections += more.Connections
			}
		}
	}
	perSecondAndCore := func(o outcome) float64 { return 1e6 / o.perRequest() }
	return []row{
		compare("P1", "CPU a verified request, light API", "µs", ours, theirs, outcome.perRequest).most(s.most(0.45)),
		compare("P2", "throughput on all cores, light API and generator included", "/s", ours, theirs, outcome.PerSecond).least(s.least(2.2)),
		compare("P2", "verified requests a second and core of the gateway", "/s", ours, theirs, perSecondAndCore),
		connections(reuse[ours].perConnection(), reuse[theirs].perConnection(), wrongs{ours.wrong(), theirs.wrong()}),
	}, nil
}

// traffic is what reached the light API.
type traffic struct {
	Calls       float64 `json:"calls"`
	Connections float64 `json:"connections"`
}

func count(ctx context.Context, api *rig.Process) (t traffic, err error) {
	err = drive.Call(ctx, http.MethodGet, "http://"+api.Addr+"/count", "", &t)
	return t, err
}

// counted runs a round and says what reached the light API by it.
func (s *stage) counted(ctx context.Context, one *side, api *rig.Process) (o outcome, more traffic, err error) {
	before, err := count(ctx, api)
	if err != nil {
		return o, more, err
	}
	if o, err = s.round(ctx, one, busy, s.o.length, nil); err != nil {
		return o, more, err
	}
	after, err := count(ctx, api)
	return o, traffic{after.Calls - before.Calls, after.Connections - before.Connections}, err
}

func (t *traffic) perConnection() float64 { return t.Calls / max(t.Connections, 1) }

func connections(ours, theirs float64, wrong wrongs) row {
	r := row{ID: "P2", What: "calls a connection opened to the API, once warm", Ours: ours, Theirs: theirs, Ratio: ours / theirs, Wrong: wrong}
	r.Low, r.High, r.Target, r.Met = r.Ratio, r.Ratio, "ours ≥ 1000", ours >= 1000 && wrong.few()
	return r
}

// oneConnection measures what a gateway adds to asking the API directly. If
// nothing else runs, what a wake-up costs depends on which core each process came
// to sit on and stays so, so each round has processes of its own.
func oneConnection(ctx context.Context, s *stage) ([]row, error) {
	var direct, ours, theirs []outcome
	rounds := s.o.rounds
	s.o.rounds = 1
	for range rounds {
		api, a, b, err := s.both(ctx, rig.LightAPI, "0s")
		if err != nil {
			return nil, err
		}
		plain := &side{name: "the API", addr: api.Addr, path: "/", want: `"CaptchaCode":1`}
		if err := s.alternate(ctx, 1, s.o.length/2, nil, plain, a, b); err != nil {
			return nil, err
		}
		s.rig.StopAll()
		direct = append(direct, plain.rounds...)
		ours, theirs = append(ours, above(plain, a)), append(theirs, above(plain, b))
	}
	p50 := func(o outcome) float64 { return micros(o.Quantile(0.5)) }
	added := func(o outcome) float64 { return p50(o) - micros(o.floor) }
	alone := median(figures(&side{rounds: direct}, p50))
	return []row{compare("P3", fmt.Sprintf("added p50, one connection (the API alone: %.0f µs)", alone), "µs", &side{rounds: ours}, &side{rounds: theirs}, added).most(s.most(0.85))}, nil
}

// above is a side's round, over that of the API alone.
func above(alone, one *side) outcome {
	o := one.rounds[0]
	o.floor = alone.rounds[0].Quantile(0.5)
	return o
}

func manyConnections(ctx context.Context, s *stage) ([]row, error) {
	var rows []row
	for _, api := range []string{rig.Simulator, rig.LightAPI} {
		a, ours, theirs, err := s.both(ctx, api, "5ms")
		if err != nil {
			return nil, err
		}
		tickets := a
		if api == rig.LightAPI {
			tickets = nil
		}
		if err := s.alternate(ctx, crowded, s.o.length, tickets, ours, theirs); err != nil {
			return nil, err
		}
		s.rig.StopAll()
		p99 := func(o outcome) float64 { return float64(o.Quantile(0.99)) / float64(time.Millisecond) }
		p50 := func(o outcome) float64 { return float64(o.Quantile(0.50)) / float64(time.Millisecond) }
		rows = append(rows,
			compare("P3", "p99, 256 connections, 5 ms, "+api, "ms", ours, theirs, p99).most(s.most(0.5)),
			compare("P3", "p50 of the same", "ms", ours, theirs, p50))
	}
	return rows, nil
}

func degraded(ctx context.Context, s *stage) ([]row, error) {
	g, err := s.rig.StartGateway(ctx, rig.Gateway, "127.0.0.1:9") // nobody is asked
	if err != nil {
		return nil, err
	}
	if err := degrade(ctx, g); err != nil {
		return nil, err
	}
	c, err := s.rig.StartConstant(ctx)
	if err != nil {
		return nil, err
	}
	allow, deny, plain, decoded := gatewaySide("allow", g), gatewaySide("deny", g), gatewaySide("constant", c), gatewaySide("constant, decoding", c)
	allow.scene, deny.scene, plain.scene, decoded.scene = "allow", "deny", "deny", "deny"
	deny.want, plain.want, decoded.want, decoded.path = denied, denied, denied, "/decoded"
	if err := s.alternate(ctx, busy, s.o.length/2, nil, allow, plain, deny, decoded); err != nil {
		return nil, err
	}
	perCore := func(o outcome) float64 { return 1e6 / o.perRequest() }
	return []row{
		compare("P5", "degraded deny a second and core, against a constant", "/s", deny, plain, perCore).least(0.7),
		compare("P5", "the same, against a constant that decodes the question", "/s", deny, decoded, perCore),
		compare("P5", "degraded allow a second and core (one store write a ticket), against a constant", "/s", allow, plain, perCore).least(0.7),
		compare("P5", "the same, against a constant that decodes the question", "/s", allow, decoded, perCore),
	}, nil
}

// degrade throws the gateway's switch.
func degrade(ctx context.Context, g *rig.Process) error {
	operators := admin.Client{URL: "http://" + g.Admin, Token: g.Token}
	_, err := operators.SetMode(ctx, control.Change{Mode: control.Degraded, Reason: "benchmark"})
	return err
}

// otherDoors compares what the drop-in and siteverify cost with /v1/verify, of one and
// the same process.
func otherDoors(ctx context.Context, s *stage) ([]row, error) {
	api, err := s.rig.StartAPI(ctx, rig.LightAPI, "0s")
	if err != nil {
		return nil, err
	}
	g, err := s.rig.StartGateway(ctx, rig.Gateway, api.Addr)
	if err != nil {
		return nil, err
	}
	verify, dropIn, site := gatewaySide("/v1/verify", g), gatewaySide("the drop-in", g), gatewaySide("/siteverify", g)
	dropIn.path, dropIn.want, dropIn.bodies, dropIn.head = "/", `"CaptchaCode":1`, drive.MadeCalls, drive.Signed("127.0.0.1")
	site.path, site.want, site.bodies = "/siteverify", `"success":true`, drive.MadeResponses
	if err := s.alternate(ctx, busy, s.o.length, nil, verify, dropIn, site); err != nil {
		return nil, err
	}
	return []row{
		compare("P6", "CPU a verified request of the drop-in, against /v1/verify", "µs", dropIn, verify, outcome.perRequest).most(1.3),
		compare("P6", "the same of /siteverify", "µs", site, verify, outcome.perRequest),
	}, nil
}
