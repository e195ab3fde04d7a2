package loadtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"captchagate/loadtest/scenario"
	"captchagate/simulator"
)

// An action is something that is done to a gateway or its API at one moment.
type action struct {
	at   time.Duration
	kind string // of the event
	text string
	do   func(ctx context.Context, t *subject) error
}

// actions are all that a scenario does beside sending, in the order of time.
func actions(s scenario.Scenario) []action {
	var all []action
	for i, start := range s.Starts() {
		if p := s.Phases[i]; p.Fault != nil {
			lasts := p.For
			if i+1 < len(s.Phases) && s.Phases[i+1].Fault != nil {
				lasts += overlap
			}
			all = append(all, action{start, "fault", faultText(p.Fault), setFault(*p.Fault, lasts)})
		}
	}
	for _, step := range s.Moments() {
		if step.Redis != nil {
			all = append(all, redisActions(step.At, *step.Redis)...)
			continue
		}
		all = append(all, stepAction(step, s.Instances))
	}
	slices.SortStableFunc(all, func(a, b action) int { return int(a.at - b.at) })
	return all
}

// overlap keeps the API broken until the next phase's fault takes over.
const overlap = time.Second

// setFault breaks the API for exactly d: the simulator ends it by itself.
func setFault(f scenario.Fault, d time.Duration) func(context.Context, *subject) error {
	body := map[string]any{"kind": f.Kind, "for": d.String(), "spare_disaster": f.SpareDisaster}
	if f.Share != nil {
		body["share"] = *f.Share
	}
	if f.Latency > 0 {
		body["latency"] = f.Latency.String()
	}
	if f.Consume != nil {
		body["consume"] = *f.Consume
	}
	if f.Address > 0 {
		body["address"] = f.Address
	}
	if f.Instances > 0 {
		body["instances"] = f.Instances
	}
	if f.Limit > 0 {
		body["limit"] = f.Limit
	}
	if f.RetryAfter > 0 {
		body["retry_after"] = f.RetryAfter.String()
	}
	if f.Capacity > 0 {
		body["capacity"] = f.Capacity
	}
	return func(ctx context.Context, t *subject) error {
		return t.everyAPI(func(sim *control) error { return sim.ask(ctx, http.MethodPut, "/_sim/fault", body, nil) })
	}
}

func faultText(f *scenario.Fault) string {
	if f == nil {
		return ""
	}
	text := f.Kind
	switch {
	case f.Kind == "none" && f.Latency > 0:
		text = "slower"
	case f.Kind == "none" && f.Capacity > 0:
		text = "weaker"
	}
	if f.Latency > 0 {
		text += " by " + f.Latency.String()
	}
	if f.Capacity > 0 {
		text += ", " + strconv.FormatFloat(f.Capacity, 'g', 4, 64) + " calls a second at most"
	}
	if f.Share != nil && *f.Share < 1 {
		text += " for " + strconv.FormatFloat(*f.Share*100, 'g', 4, 64) + " %"
	}
	if f.Limit > 0 {
		text += " above " + strconv.FormatFloat(f.Limit, 'g', 4, 64) + "/s"
	}
	if f.RetryAfter > 0 {
		text += " with Retry-After " + f.RetryAfter.String()
	}
	if f.Instances > 1 {
		text += fmt.Sprintf(" on one of %d instances", f.Instances)
	}
	if f.Address > 0 {
		text += fmt.Sprintf(" at address %d", f.Address)
	}
	if f.SpareDisaster {
		text += ", disaster tickets answered"
	}
	return text
}

// networkText says in words what lies between.
func networkText(n scenario.Network) string {
	var parts []string
	if n.ForgetFlows {
		parts = append(parts, "all connections forgotten")
	}
	if len(n.Addresses) > 0 {
		parts = append(parts, "the API's name has "+numbered(n.Addresses))
	}
	if len(n.BlackHole) > 0 {
		parts = append(parts, numbered(n.BlackHole)+" swallows everything")
	}
	if n.Resolver != "" && n.Resolver != string(simulator.ResolverOK) {
		parts = append(parts, "the resolver: "+n.Resolver)
	}
	if len(parts) == 0 {
		return "as it should be"
	}
	return strings.Join(parts, ", ")
}

func numbered(addresses []int) string {
	text := make([]string, len(addresses))
	for i, n := range addresses {
		text[i] = "address " + strconv.Itoa(n)
	}
	return strings.Join(text, " and ")
}

// setNetwork puts n between the gateway and the API.
func (t *subject) setNetwork(ctx context.Context, n scenario.Network) error {
	body := map[string]any{"forget_flows": n.ForgetFlows}
	if len(n.Addresses) > 0 {
		body["addresses"] = n.Addresses
	}
	if len(n.BlackHole) > 0 {
		body["black_hole"] = n.BlackHole
	}
	if n.Resolver != "" {
		body["resolver"] = n.Resolver
	}
	return t.sim.ask(ctx, http.MethodPut, "/_sim/network", body, nil)
}

func stepAction(step scenario.Step, instances int) action {
	a := action{at: step.At}
	switch {
	case step.Switch != nil:
		w := *step.Switch
		a.kind, a.text = "switch", "mode "+w.Mode+scope(w)+": "+w.Reason
		a.do = func(ctx context.Context, t *subject) error { return t.toggle(ctx, w) }
	case step.Kill != nil:
		a.kind, a.text = "kill", what(*step.Kill, instances)+" killed, as kill -9 does"
		a.do = func(_ context.Context, t *subject) error { return t.kill(max(step.Kill.Instance-1, 0)) }
	case step.Start != nil:
		a.kind, a.text = "start", what(*step.Start, instances)+" started again"
		a.do = func(ctx context.Context, t *subject) error { return t.start(ctx, max(step.Start.Instance-1, 0)) }
	case step.Network != nil:
		n := *step.Network
		a.kind, a.text = "network", networkText(n)
		a.do = func(ctx context.Context, t *subject) error { return t.setNetwork(ctx, n) }
	default:
		a.kind, a.text = "script", "page script: "+step.Script
		a.do = func(ctx context.Context, t *subject) error {
			return t.sim.ask(ctx, http.MethodPut, "/_sim/script", map[string]string{"kind": step.Script}, nil)
		}
	}
	return a
}

func scope(w scenario.Switch) string {
	if w.Scene == "" {
		return ""
	}
	return " for " + w.Scene
}

// toggle throws the gateway's switch, at the first instance that runs; one without
// operators has none.
func (t *subject) toggle(ctx context.Context, w scenario.Switch) error {
	at := max(slices.IndexFunc(t.parts, func(i *instance) bool { return !i.gone }), 0)
	admin := t.parts[at].admin
	if admin == nil {
		return fmt.Errorf("%s has no operators' address to throw the switch at; give --target-admin", t.Name)
	}
	body := map[string]any{"mode": w.Mode, "reason": w.Reason}
	if w.For > 0 {
		body["for"] = w.For.String()
	}
	if w.Scene != "" {
		body["scene"] = w.Scene
	}
	if w.Share != nil {
		body["share"] = *w.Share
	}
	return admin.ask(ctx, http.MethodPut, "/admin/v1/mode", body, nil)
}

// steer does all actions in time. The error says which could not be done: then the
// run is not the one that was asked for.
func (t *subject) steer(ctx context.Context, actions []action) error {
	for _, a := range actions {
		rest(ctx, time.Until(t.begin.Add(a.at)))
		if ctx.Err() != nil {
			return nil
		}
		at := t.since()
		if err := a.do(ctx, t); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("%s, at %v: %s: %w", t.Name, a.at, a.text, err)
		}
		t.seen.add(Event{At: at.Seconds(), Kind: a.kind, Text: a.text})
	}
	return nil
}

// clearFaults brings the Captcha API back to good health.
func (t *subject) clearFaults(ctx context.Context) error {
	_ = t.sim.ask(ctx, http.MethodDelete, "/_sim/script", nil, nil) // not every simulator has a script that fails
	return t.everyAPI(func(sim *control) error { return sim.ask(ctx, http.MethodDelete, "/_sim/fault", nil, nil) })
}

// reach finds out before anything is sent whether all doors are what they should
// be: a run against a wrong address says nothing about a gateway.
func (t *subject) reach(ctx context.Context) error {
	if err := t.clearFaults(ctx); err != nil {
		return fmt.Errorf("the simulator of %s: %w; see --simulator", t.Name, err)
	}
	for _, one := range t.parts {
		if err := t.reachInstance(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func (t *subject) reachInstance(ctx context.Context, i *instance) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", i.Address)
	if err != nil {
		return fmt.Errorf("%s takes no connections at %s: %w; is it running? See --target", t.Name, i.Address, err)
	}
	_ = conn.Close()
	if i.admin == nil {
		return nil
	}
	if err := i.admin.ask(ctx, http.MethodGet, "/admin/v1/status", nil, nil); err != nil {
		return fmt.Errorf("the operators' door of %s: %w; see --target-admin, and GATEWAY_ADMIN_TOKEN where it asks for a token", t.Name, err)
	}
	return nil
}
