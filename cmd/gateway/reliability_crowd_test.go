package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A visit is what became of one user.
type visit struct {
	decision

	status int
	err    error
	at     time.Time
	took   time.Duration
}

// A crowd asks the gateway at a steady rate, each user with a ticket of their own, from
// ten thousand networks.
type crowd struct {
	h      *house
	scene  string
	client http.Client
	over   chan struct{}

	mu     sync.Mutex
	wg     sync.WaitGroup
	visits []visit
}

// comes begins a crowd of rate users a second; leaves ends it.
func (h *house) comes(scene string, rate int) *crowd {
	h.t.Helper()
	c := &crowd{h: h, scene: scene, over: make(chan struct{})}
	c.client = http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 512, MaxConnsPerHost: 512, TLSClientConfig: h.trust}}
	tickets := h.tickets(1000)
	c.wg.Go(func() {
		began := time.Now()
		for n := 0; ; n++ {
			select {
			case <-c.over:
				return
			case <-time.After(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate)))):
			}
			if n%1000 == 999 {
				tickets = append(tickets, h.tickets(1000)...)
			}
			one := tickets[n]
			c.wg.Go(func() { c.asks(n, one) })
		}
	})
	return c
}

func (c *crowd) asks(n int, one ticket) {
	body, _ := json.Marshal(map[string]string{ // texts
		"ticket": one.Ticket, "randstr": one.Randstr, "scene": c.scene, "user_ip": fmt.Sprintf("10.%d.%d.1", n/100%100, n%100),
	})
	began := time.Now()
	resp, err := c.client.Post(c.h.url()+"/v1/verify", "application/json", bytes.NewReader(body))
	s := visit{err: err, at: began}
	if err == nil {
		s.status = resp.StatusCode
		s.err = json.NewDecoder(resp.Body).Decode(&s.decision)
		_ = resp.Body.Close()
	}
	s.took = time.Since(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.visits = append(c.visits, s)
}

// leaves ends the crowd and returns what became of it, in the order of coming.
func (c *crowd) leaves() visits {
	close(c.over)
	c.wg.Wait()
	c.client.CloseIdleConnections()
	slices.SortFunc(c.visits, func(a, b visit) int { return a.at.Compare(b.at) })
	return c.visits
}

type visits []visit

func (s visits) that(is func(visit) bool) (out visits) {
	for _, one := range s {
		if is(one) {
			out = append(out, one)
		}
	}
	return out
}

func (s visits) between(from, until time.Time) visits {
	return s.that(func(one visit) bool { return !one.at.Before(from) && one.at.Before(until) })
}

func failed(s visit) bool   { return s.err != nil || s.status != http.StatusOK }
func verified(s visit) bool { return !failed(s) && s.Reason == "verified" }

// percent is how many of them are so.
func (s visits) percent(is func(visit) bool) float64 {
	return 100 * float64(len(s.that(is))) / float64(max(1, len(s)))
}

// quantile is the time that a share of them took at most.
func (s visits) quantile(share float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	took := make([]time.Duration, len(s))
	for i, one := range s {
		took[i] = one.took
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(share*float64(len(took))))].Round(100 * time.Microsecond)
}

// reasons counts them by what the answer said.
func (s visits) reasons() string {
	counts := map[string]int{}
	for _, one := range s {
		switch {
		case one.err != nil:
			counts["error: "+one.err.Error()]++
		default:
			counts[strings.TrimSpace(one.Reason+" "+one.Cause)]++
		}
	}
	return fmt.Sprint(counts)
}

// leavesAfter is leaves, some time later.
func (c *crowd) leavesAfter(d time.Duration) visits {
	<-time.After(d)
	return c.leaves()
}
