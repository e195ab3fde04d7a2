package demo

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// One person alone opens no circuit, so there are others: a few a second, with
// good tickets, whether somebody watches or not.
const (
	pace    = 50 * time.Millisecond
	seconds = 90 // of the line of time
)

// scenes are those of configs/demo.yaml, one for each action, in the order in
// which the others take turns.
var (
	scenes = []string{"login", "comment", "payment"}
	turns  = []string{"login", "comment", "login", "payment"}
)

// A crowd is the others, and what became of them.
type crowd struct {
	demo *Demo

	mu      sync.Mutex
	tickets []ticket
	line    []second
}

type ticket struct{ Ticket, Randstr string }

// A second of the line of time: how many were answered what.
type second struct {
	At         int64 `json:"at"` // unix seconds
	Verified   int   `json:"verified"`
	Allowed    int   `json:"allowed"` // without the API
	Challenged int   `json:"challenged"`
	Denied     int   `json:"denied"`
	Lost       int   `json:"lost"` // got no answer

	By map[string]int `json:"by,omitempty"` // answers by instance, where there are several
}

// Run lets the crowd log in until ctx ends.
func (d *Demo) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			wg.Go(func() { d.crowd.one(ctx, turns[n%len(turns)]) })
		}
	}
}

// soFar returns the line of time.
func (c *crowd) soFar() []second {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := append([]second{}, c.line...)
	if n := len(line); n > 0 {
		line[n-1].By = maps.Clone(line[n-1].By) // it is still counted in
	}
	return line
}

// one is one of them.
func (c *crowd) one(ctx context.Context, scene string) {
	t, ok := c.take(ctx)
	if !ok {
		return
	}
	ip := fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), 1+rand.IntN(254))
	got, err := c.demo.verify(ctx, map[string]any{"scene": scene, "user_ip": ip, "ticket": t.Ticket, "randstr": t.Randstr})
	if ctx.Err() == nil {
		c.note(got, err)
	}
}

func (c *crowd) take(ctx context.Context) (ticket, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tickets) == 0 {
		order := map[string]any{"kind": "valid", "count": 20}
		if c.demo.call(ctx, http.MethodPost, c.demo.cfg.Simulator+"/_sim/tickets", order, &c.tickets) != nil || len(c.tickets) == 0 {
			return ticket{}, false
		}
	}
	t := c.tickets[0]
	c.tickets = c.tickets[1:]
	return t, true
}

func (c *crowd) note(got decision, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Unix()
	if n := len(c.line); n == 0 || c.line[n-1].At != now {
		c.line = append(c.line, second{At: now})
		c.line = c.line[max(0, len(c.line)-seconds):]
	}
	s := &c.line[len(c.line)-1]
	if got.Instance != "" {
		if s.By == nil {
			s.By = map[string]int{}
		}
		s.By[got.Instance]++
	}
	switch kind := got.Kind; {
	case err != nil:
		s.Lost++
	case kind == "verified":
		s.Verified++
	case kind == "allowed":
		s.Allowed++
	case kind == "challenged":
		s.Challenged++
	default:
		s.Denied++
	}
}
