package loadtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"captchagate/loadtest/scenario"
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
	for _, step := range s.Steps {
		all = append(all, stepAction(step))
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
	return func(ctx context.Context, t *subject) error {
		return t.sim.ask(ctx, http.MethodPut, "/_sim/fault", body, nil)
	}
}

func faultText(f *scenario.Fault) string {
	if f == nil {
		return ""
	}
	text := f.Kind
	if f.Kind == "none" {
		text = "slower"
	}
	if f.Latency > 0 {
		text += " by " + f.Latency.String()
	}
	if f.Share != nil && *f.Share < 1 {
		text += " for " + strconv.FormatFloat(*f.Share*100, 'g', 4, 64) + " %"
	}
	if f.SpareDisaster {
		text += ", disaster tickets answered"
	}
	return text
}

func stepAction(step scenario.Step) action {
	a := action{at: step.At}
	switch {
	case step.Switch != nil:
		w := *step.Switch
		a.kind, a.text = "switch", "mode "+w.Mode+scope(w)+": "+w.Reason
		a.do = func(ctx context.Context, t *subject) error { return t.toggle(ctx, w) }
	case step.Kill != "":
		a.kind, a.text = "kill", "gateway killed, as kill -9 does"
		a.do = func(_ context.Context, t *subject) error {
			err := t.Process.Kill()
			t.pool.Forget()
			return err
		}
	case step.Start != "":
		a.kind, a.text = "start", "gateway started again"
		a.do = func(ctx context.Context, t *subject) error { return t.Process.Start(ctx) }
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

// toggle throws the gateway's switch; one without operators has none.
func (t *subject) toggle(ctx context.Context, w scenario.Switch) error {
	if t.admin == nil {
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
	return t.admin.ask(ctx, http.MethodPut, "/admin/v1/mode", body, nil)
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
		t.seen.event(at, a.kind, a.text)
	}
	return nil
}

// clearFaults brings the Captcha API back to good health.
func (t *subject) clearFaults(ctx context.Context) error {
	_ = t.sim.ask(ctx, http.MethodDelete, "/_sim/script", nil, nil) // not every simulator has a script that fails
	return t.sim.ask(ctx, http.MethodDelete, "/_sim/fault", nil, nil)
}

// reach finds out before anything is sent whether all doors are what they should
// be: a run against a wrong address says nothing about a gateway.
func (t *subject) reach(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return fmt.Errorf("%s takes no connections at %s: %w; is it running? See --target", t.Name, t.Address, err)
	}
	_ = conn.Close()
	if err := t.clearFaults(ctx); err != nil {
		return fmt.Errorf("the simulator of %s: %w; see --simulator", t.Name, err)
	}
	if t.admin == nil {
		return nil
	}
	if err := t.admin.ask(ctx, http.MethodGet, "/admin/v1/status", nil, nil); err != nil {
		return fmt.Errorf("the operators' door of %s: %w; see --target-admin, and GATEWAY_ADMIN_TOKEN where it asks for a token", t.Name, err)
	}
	return nil
}
