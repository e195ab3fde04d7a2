package drive

import (
	"sync"
	"time"
)

// A Flow is an open loop: requests leave when their time has come, whether
// earlier ones were answered or not, as users do. Each has a connection to
// itself for as long as it waits.
type Flow struct {
	Addr   string
	Path   string
	Rate   int           // requests a second
	For    time.Duration // how long they leave
	Caller time.Duration // when a caller gives up
	Next   Bodies
	Read   func(status int, body []byte) Meaning
}

// A Meaning is what an answer says about a good ticket.
type Meaning int

// The meanings. The zero value is no answer at all.
const (
	Nothing  Meaning = iota // no answer, or one that is no decision
	Verified                // a full verdict, and the right one
	Degraded                // a decision that names why nobody could tell
	Wrong                   // a verdict against a good ticket
)

// Useful reports whether a backend can act on the answer.
func (m Meaning) Useful() bool { return m == Verified || m == Degraded }

// A Shot is one request of a flow. Both times count from the flow's start.
type Shot struct {
	At      time.Duration // when it was to leave
	Took    time.Duration // from then to its answer, or to the caller's giving up
	Meaning Meaning
	Status  int // 0 = none
}

// Run drives the flow from start on and returns its requests in order.
func (f Flow) Run(start time.Time) []Shot {
	shots := make([]Shot, int(f.For.Seconds()*float64(f.Rate)))
	pool := &pool{addr: f.Addr}
	defer pool.close()
	var wg sync.WaitGroup
	for i := range shots {
		shots[i].At = time.Duration(i) * time.Second / time.Duration(f.Rate)
		time.Sleep(time.Until(start.Add(shots[i].At)))
		wg.Go(func() { f.shoot(pool, start, i, &shots[i]) })
	}
	wg.Wait()
	return shots
}

func (f Flow) shoot(p *pool, start time.Time, n int, s *Shot) {
	due := start.Add(s.At)
	defer func() { s.Took = time.Since(due) }()
	c, err := p.take(f.Caller)
	if err != nil {
		return
	}
	status, answer, err := c.Post(f.Path, f.Next(nil, n), due.Add(f.Caller))
	if err != nil {
		c.Close()
		return
	}
	s.Status, s.Meaning = status, f.Read(status, answer)
	p.give(c)
}

// A pool keeps connections that nobody uses.
type pool struct {
	addr string
	mu   sync.Mutex
	free []*Conn
}

func (p *pool) take(most time.Duration) (*Conn, error) {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		c := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	return Dial(p.addr, most)
}

func (p *pool) give(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, c)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.free {
		c.Close()
	}
}
