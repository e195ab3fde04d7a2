package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"captchagate/bench/drive"
	"captchagate/bench/rig"
	"captchagate/simulator"
)

// A subject is a gateway with a simulated API of its own.
type subject struct {
	name    string
	api     *rig.Process
	gateway *rig.Process
	read    func(status int, body []byte) drive.Meaning
}

// outage runs one kind of fault on fresh processes.
func (p plan) outage(ctx context.Context, r *rig.Rig, kind simulator.Kind, only string) ([]result, error) {
	defer r.StopAll()
	var subjects []subject
	for _, name := range []string{"ours", "simple"} {
		if only != "" && only != name {
			continue
		}
		s, err := p.start(ctx, r, name)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, s)
	}
	results, errs := make([]result, len(subjects)), make([]error, len(subjects))
	var wg sync.WaitGroup
	for i, s := range subjects {
		wg.Go(func() { results[i], errs[i] = p.watch(ctx, s, kind) })
		if p.apart {
			wg.Wait()
		}
	}
	wg.Wait()
	return results, errors.Join(errs...)
}

func (p plan) start(ctx context.Context, r *rig.Rig, name string) (s subject, err error) {
	s.name = name
	if s.api, err = r.StartAPI(ctx, rig.Simulator, p.latency.String()); err != nil {
		return s, err
	}
	if name == "ours" {
		s.read = readOurs
		s.gateway, err = r.StartGateway(ctx, rig.Gateway, s.api.Addr)
		return s, err
	}
	s.read = readSimple
	s.gateway, err = r.StartSimple(ctx, s.api.Addr)
	return s, err
}

// watch drives the traffic over the three phases, and breaks and heals the API
// meanwhile.
func (p plan) watch(ctx context.Context, s subject, kind simulator.Kind) (result, error) {
	whole := p.healthy + p.fault + p.healed
	tickets, err := drive.Tickets(ctx, s.api.Addr, int(whole.Seconds()*float64(p.rate))+1)
	if err != nil {
		return result{}, err
	}
	flow := drive.Flow{
		Addr: s.gateway.Addr, Path: "/v1/verify", Rate: p.rate, For: whole, Caller: p.caller,
		Next: drive.Given(tickets, p.scene), Read: s.read,
	}
	begin := time.Now().Add(200 * time.Millisecond)
	var reached int64
	var steered error
	var wg sync.WaitGroup
	wg.Go(func() { reached, steered = p.steer(ctx, s, kind, begin) })
	shots := flow.Run(begin)
	wg.Wait()
	out := p.judge(s.name, kind, shots)
	out.Reached = reached
	if s.gateway.Admin != "" {
		steered = errors.Join(steered, out.readTransitions(ctx, s.gateway, begin))
	}
	return out, steered
}

// steer breaks the API in time and returns how many calls reached it while it
// was broken.
func (p plan) steer(ctx context.Context, s subject, kind simulator.Kind, begin time.Time) (int64, error) {
	base := "http://" + s.api.Addr + "/_sim/"
	breaks := begin.Add(p.healthy)
	time.Sleep(time.Until(breaks))
	var before, after struct {
		Requests int64 `json:"requests"`
	}
	if err := drive.Call(ctx, http.MethodGet, base+"stats", "", &before); err != nil {
		return 0, err
	}
	fault := fmt.Sprintf(`{"kind":%q,"for":%q}`, kind, p.fault)
	if err := drive.Call(ctx, http.MethodPut, base+"fault", fault, nil); err != nil {
		return 0, err
	}
	time.Sleep(time.Until(breaks.Add(p.fault - 20*time.Millisecond)))
	if err := drive.Call(ctx, http.MethodGet, base+"stats", "", &after); err != nil {
		return 0, err
	}
	return after.Requests - before.Requests, nil
}

// readOurs reads an answer of captchagate about a good ticket.
func readOurs(status int, body []byte) drive.Meaning {
	var a struct{ Decision, Reason, Mode, Cause string }
	if status != http.StatusOK || json.Unmarshal(body, &a) != nil {
		return drive.Nothing
	}
	switch {
	case a.Reason == "verified":
		return drive.Verified
	case a.Reason == "rejected" || a.Reason == "malicious":
		return drive.Wrong
	case a.Mode == "degraded" && a.Cause != "":
		return drive.Degraded
	}
	return drive.Nothing
}

// readSimple reads an answer of the 60 lines about a good ticket.
func readSimple(status int, body []byte) drive.Meaning {
	var a struct{ Decision, Reason string }
	switch {
	case status != http.StatusOK || json.Unmarshal(body, &a) != nil:
		return drive.Nothing
	case a.Decision == "allow":
		return drive.Verified
	}
	return drive.Wrong
}
