package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// One person alone opens no circuit, so others log in too: a few a second, with
// good tickets, for as long as somebody watches.
const (
	pace     = 50 * time.Millisecond
	watching = 5 * time.Second
	seconds  = 90 // of the line of time
)

// A crowd is the others, and what became of them.
type crowd struct {
	demo *Demo

	mu      sync.Mutex
	seen    time.Time // when somebody last watched
	tickets []ticket
	line    []second
}

type ticket struct{ Ticket, Randstr string }

// A second of the line of time: how many were answered what.
type second struct {
	At        int64   `json:"at"` // unix seconds
	Verified  int     `json:"verified"`
	Degraded  int     `json:"degraded"` // let through without the API
	Challenge int     `json:"challenge"`
	Denied    int     `json:"denied"`
	Slowest   float64 `json:"slowest_ms"`
}

// Run lets the crowd log in until ctx ends.
func (d *Demo) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			if d.crowd.watched() {
				wg.Go(func() { d.crowd.one(ctx) })
			}
		}
	}
}

func (c *crowd) watched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.seen) < watching
}

// watch returns the line of time, and keeps the crowd going.
func (c *crowd) watch() []second {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = time.Now()
	return append([]second{}, c.line...)
}

// one is one of them. What cannot be asked is no answer and is not shown.
func (c *crowd) one(ctx context.Context) {
	t, ok := c.take(ctx)
	if !ok {
		return
	}
	ip := fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), 1+rand.IntN(254))
	got, err := c.demo.verify(ctx, map[string]any{"scene": scene, "user_ip": ip, "ticket": t.Ticket, "randstr": t.Randstr})
	if err == nil {
		c.note(got)
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

func (c *crowd) note(got decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Unix()
	if n := len(c.line); n == 0 || c.line[n-1].At != now {
		c.line = append(c.line, second{At: now})
		c.line = c.line[max(0, len(c.line)-seconds):]
	}
	s := &c.line[len(c.line)-1]
	switch {
	case got.Decision == "allow" && got.Assurance == "full":
		s.Verified++
	case got.Decision == "allow":
		s.Degraded++
	case got.Decision == "challenge":
		s.Challenge++
	default:
		s.Denied++
	}
	s.Slowest = max(s.Slowest, got.TookMS)
}
