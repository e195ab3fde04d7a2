package loadtest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// How often the simulator's counts and the gateway's status are looked at.
const (
	countEvery  = 20 * time.Millisecond
	statusEvery = 50 * time.Millisecond

	readyAgainEvery = 250 * time.Millisecond // and an instance that is out, whether it is back
)

// seen is what was noted of a gateway from outside, all instances together; its
// times count from the run's beginning, in seconds.
type seen struct {
	mu     sync.Mutex
	counts []count
	events []Event
	redis  []Band // how Redis was; its last one goes on
	would  []would
}

// A count is how many calls had reached the Captcha API.
type count struct {
	at    float64
	calls int64
}

func (s *seen) add(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// watch looks at the gateway until ctx ends.
func (t *subject) watch(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, countEvery, func() { t.lookAtCounts(ctx) }) })
	if t.direct != nil {
		wg.Go(func() { every(ctx, wouldEvery, func() { t.lookAtWould(ctx) }) })
	}
	for _, one := range t.parts {
		wg.Go(func() { every(ctx, statusEvery, func() { t.look(ctx, one) }) })
		if len(t.parts) > 1 {
			wg.Go(func() { every(ctx, readyAgainEvery, func() { t.takeIn(ctx, one) }) })
		}
	}
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
