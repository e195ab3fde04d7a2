package loadtest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"captchagate/admin"
)

// How often the simulator's counts and the gateway's status are looked at.
const (
	countEvery  = 20 * time.Millisecond
	statusEvery = 50 * time.Millisecond
)

// seen is what was noted of a gateway from outside; its times count from the
// run's beginning, in seconds.
type seen struct {
	mu          sync.Mutex
	counts      []count
	states      []state
	transitions []transition // of the circuit, in order, each once
	events      []Event
}

// A count is how many calls had reached the Captcha API.
type count struct {
	at    float64
	calls int64
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

func (s *seen) event(at time.Duration, kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, Event{At: at.Seconds(), Kind: kind, Text: text})
}

// watch looks at the gateway until ctx ends.
func (t *subject) watch(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, countEvery, func() { t.lookAtCounts(ctx) }) })
	look := t.lookAtStatus
	if t.admin == nil {
		look = t.lookAtMode
	}
	wg.Go(func() { every(ctx, statusEvery, func() { look(ctx) }) })
	wg.Wait()
}

func every(ctx context.Context, d time.Duration, look func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for ctx.Err() == nil {
		look()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (t *subject) lookAtCounts(ctx context.Context) {
	at := t.since().Seconds()
	var stats struct{ Requests calls }
	if t.sim.ask(ctx, http.MethodGet, "/_sim/stats", nil, &stats) != nil {
		return // a gap; the next look fills it
	}
	t.seen.mu.Lock()
	defer t.seen.mu.Unlock()
	t.seen.counts = append(t.seen.counts, count{at, int64(stats.Requests)})
}

// calls are those that reached a simulator: a number, or numbers by kind.
type calls int64

// UnmarshalJSON reads either.
func (c *calls) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, (*int64)(c)); err == nil {
		return nil
	}
	var kinds map[string]int64
	if err := json.Unmarshal(text, &kinds); err != nil {
		return err
	}
	*c = 0
	for _, n := range kinds {
		*c += calls(n)
	}
	return nil
}

// lookAtStatus notes a look at the time of its question: what changes between
// that and the answer is told by the transitions, and seems no step back.
func (t *subject) lookAtStatus(ctx context.Context) {
	now := state{at: t.since().Seconds(), circuit: down, mode: down}
	var status admin.Status
	err := t.admin.ask(ctx, http.MethodGet, "/admin/v1/status", nil, &status)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		now.circuit, now.mode = status.Breaker.State, status.Mode
		if status.Override != nil {
			now.forced = status.Override.Mode.String()
		}
	}
	t.seen.mu.Lock()
	defer t.seen.mu.Unlock()
	t.seen.states = append(t.seen.states, now)
	for _, one := range slices.Backward(status.Breaker.Transitions) { // oldest first
		at := one.At.Sub(t.begin).Seconds()
		known := len(t.seen.transitions) > 0 && at <= t.seen.transitions[len(t.seen.transitions)-1].at
		if at < 0 || known {
			continue
		}
		t.seen.transitions = append(t.seen.transitions, transition{at, one.From, one.To})
		t.seen.events = append(t.seen.events, Event{At: at, Kind: "transition", Text: one.From + " → " + one.To + ": " + one.Evidence})
	}
}

// lookAtMode asks a gateway without an operators' address for its mode, as a page
// would. One that has never told it is not down: it does not know the question.
func (t *subject) lookAtMode(ctx context.Context) {
	at := t.since().Seconds()
	var now struct{ Mode string }
	err := t.front.ask(ctx, http.MethodGet, "/v1/mode?scene="+url.QueryEscape(t.scene), nil, &now)
	if ctx.Err() != nil {
		return
	}
	t.seen.mu.Lock()
	defer t.seen.mu.Unlock()
	switch {
	case err == nil && (now.Mode == "normal" || now.Mode == "degraded"):
		t.seen.states = append(t.seen.states, state{at: at, mode: now.Mode})
	case len(t.seen.states) > 0:
		t.seen.states = append(t.seen.states, state{at: at, mode: down})
	}
}

// down is the state of a gateway that does not answer.
const down = "down"

// calls is how many calls had reached the API at a time: drawn evenly between
// two looks.
func (s *seen) calls(at float64) float64 {
	i, _ := slices.BinarySearchFunc(s.counts, at, func(c count, at float64) int {
		if c.at < at {
			return -1
		}
		return 1
	})
	switch {
	case len(s.counts) == 0:
		return 0
	case i == 0:
		return float64(s.counts[0].calls)
	case i == len(s.counts):
		return float64(s.counts[i-1].calls)
	}
	a, b := s.counts[i-1], s.counts[i]
	return float64(a.calls) + float64(b.calls-a.calls)*(at-a.at)/(b.at-a.at)
}

// callsBefore is how many had reached it when it was last looked at before a
// time.
func (s *seen) callsBefore(at float64) int64 {
	calls := int64(0)
	for _, c := range s.counts {
		if c.at > at {
			break
		}
		calls = c.calls
	}
	return calls
}
