package loadtest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"captchagate/admin"
)

// An instance is one of a gateway's while it is tested.
type instance struct {
	Instance
	at    int      // among the instances, from 0
	admin *control // nil = it has none: what a page may ask tells the mode
	front *control // where pages ask
	gone  bool     // it was killed; told to who steers only
	seen  states
}

func newInstance(one Instance, at int) *instance {
	i := &instance{Instance: one, at: at, front: newControl(one.Address)}
	if one.Admin != "" {
		i.admin = newControl(one.Admin)
		i.admin.token = one.Token
	}
	return i
}

func (i *instance) close() {
	i.front.close()
	if i.admin != nil {
		i.admin.close()
	}
}

// called is an instance before what is told of it; "" if there is but one.
func (t *subject) called(i *instance) string {
	if len(t.parts) < 2 {
		return ""
	}
	return "instance " + strconv.Itoa(i.at+1) + ": "
}

// states are what was noted of how one instance fares.
type states struct {
	mu          sync.Mutex
	states      []state
	transitions []transition // of the circuit, in order, each once
}

// A state is what the status told.
type state struct {
	at            float64
	circuit, mode string // "down" if it did not answer; circuit "" if only the mode is told
	forced        string // degraded or normal; "" = auto
}

// A transition is a change of the circuit.
type transition struct {
	at       float64
	from, to string
}

// look asks an instance how it fares.
func (t *subject) look(ctx context.Context, i *instance) {
	if i.admin != nil {
		t.lookAtStatus(ctx, i)
	} else {
		t.lookAtMode(ctx, i)
	}
}

// takeIn gives requests again to an instance that was out and is ready.
func (t *subject) takeIn(ctx context.Context, i *instance) {
	if t.balancer.IsOut(i.at) && i.front.ask(ctx, http.MethodGet, "/readyz", nil, nil) == nil {
		t.balancer.Ready(i.at)
	}
}

// lookAtStatus notes a look at the time of its question: what changes between
// that and the answer is told by the transitions, and seems no step back.
func (t *subject) lookAtStatus(ctx context.Context, i *instance) {
	now := state{at: t.since().Seconds(), circuit: down, mode: down}
	var status admin.Status
	err := i.admin.ask(ctx, http.MethodGet, "/admin/v1/status", nil, &status)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		now.circuit, now.mode = status.Breaker.State, status.Mode
		if status.Override != nil {
			now.forced = status.Override.Mode.String()
		}
	}
	i.seen.mu.Lock()
	defer i.seen.mu.Unlock()
	i.seen.states = append(i.seen.states, now)
	for _, one := range slices.Backward(status.Breaker.Transitions) { // oldest first
		at := one.At.Sub(t.begin).Seconds()
		known := len(i.seen.transitions) > 0 && at <= i.seen.transitions[len(i.seen.transitions)-1].at
		if at < 0 || known {
			continue
		}
		i.seen.transitions = append(i.seen.transitions, transition{at, one.From, one.To})
		t.seen.add(Event{At: at, Kind: "transition", Text: t.called(i) + one.From + " → " + one.To + ": " + one.Evidence})
	}
}

// lookAtMode asks a gateway without an operators' address for its mode, as a page
// would. One that has never told it is not down: it does not know the question.
func (t *subject) lookAtMode(ctx context.Context, i *instance) {
	at := t.since().Seconds()
	var now struct{ Mode string }
	err := i.front.ask(ctx, http.MethodGet, "/v1/mode?scene="+url.QueryEscape(t.scene), nil, &now)
	if ctx.Err() != nil {
		return
	}
	i.seen.mu.Lock()
	defer i.seen.mu.Unlock()
	switch {
	case err == nil && (now.Mode == "normal" || now.Mode == "degraded"):
		i.seen.states = append(i.seen.states, state{at: at, mode: now.Mode})
	case len(i.seen.states) > 0:
		i.seen.states = append(i.seen.states, state{at: at, mode: down})
	}
}

// down is the state of a gateway that does not answer.
const down = "down"

// now is how the instances were when they were last looked at, as one.
func (t *subject) now() (circuit, mode string) {
	for _, one := range t.parts {
		one.seen.mu.Lock()
		if n := len(one.seen.states); n > 0 {
			last := one.seen.states[n-1]
			circuit, mode = worse(circuit, last.circuit), worse(mode, last.mode)
		}
		one.seen.mu.Unlock()
	}
	return circuit, mode
}
