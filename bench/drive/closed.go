package drive

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bodies makes the n-th request's body; each must be a new one. It appends to
// into.
type Bodies func(into []byte, n int) []byte

// A Round is a closed loop: each connection sends its next request when the
// last was answered.
type Round struct {
	Addr  string
	Path  string
	Conns int
	For   time.Duration
	Most  int    // requests at most, 0 = no bound
	Want  string // what a right answer's body holds
	Next  Bodies
	Head  func(into, body []byte) []byte // appends more header lines, each with its end; nil = none
}

// A Result is what a round came to.
type Result struct {
	Requests  int
	Wrong     int // of those, answered otherwise than wanted
	Took      time.Duration
	Latencies []time.Duration // sorted
	Example   string          // of a wrong answer
}

// PerSecond is the throughput.
func (r Result) PerSecond() float64 { return float64(r.Requests) / r.Took.Seconds() }

// Quantile is the latency that the share of requests did not exceed.
func (r Result) Quantile(share float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(int(share*float64(len(r.Latencies))), len(r.Latencies)-1)]
}

// Run drives the round.
func (r Round) Run() (Result, error) {
	conns := make([]*Conn, r.Conns)
	for i := range conns {
		c, err := Dial(r.Addr, 5*time.Second)
		if err != nil {
			return Result{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	parts, errs := make([]Result, r.Conns), make([]error, r.Conns)
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for i, c := range conns {
		wg.Go(func() { parts[i], errs[i] = r.loop(c, start.Add(r.For), &next) })
	}
	wg.Wait()
	whole := Result{Took: time.Since(start)}
	for i, p := range parts {
		if errs[i] != nil {
			return whole, errs[i]
		}
		whole.Requests += p.Requests
		whole.Wrong += p.Wrong
		whole.Latencies = append(whole.Latencies, p.Latencies...)
		whole.Example = max(whole.Example, p.Example)
	}
	slices.Sort(whole.Latencies)
	return whole, nil
}

func (r Round) loop(c *Conn, until time.Time, next *atomic.Int64) (Result, error) {
	var p Result
	var head, body []byte
	want := []byte(r.Want)
	for now := time.Now(); now.Before(until); {
		n := int(next.Add(1)) - 1
		if r.Most > 0 && n >= r.Most {
			break
		}
		body = r.Next(body[:0], n)
		if r.Head != nil {
			head = r.Head(head[:0], body)
		}
		status, answer, err := c.Post(r.Path, head, body, now.Add(30*time.Second))
		if err != nil {
			return p, fmt.Errorf("request %d to %s: %w", n, r.Addr, err)
		}
		end := time.Now()
		p.Requests++
		p.Latencies = append(p.Latencies, end.Sub(now))
		if status != 200 || !bytes.Contains(answer, want) {
			p.Wrong++
			p.Example = fmt.Sprintf("%d %s", status, answer)
		}
		now = end
	}
	return p, nil
}
