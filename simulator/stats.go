package simulator

import (
	"maps"
	"sync"
	"time"
)

// Stats counts what reached the API since the simulator started or the counts
// were reset.
type Stats struct {
	StartedAt time.Time `json:"started_at"` // of these counts

	Requests  int64            `json:"requests"`   // calls to the API that were read
	ByAction  map[string]int64 `json:"by_action"`  // the two actions, and "other"
	ByOutcome map[string]int64 `json:"by_outcome"` // captcha_code_N, an error code, or the fault's kind
	ByFault   map[Kind]int64   `json:"by_fault"`   // the fault that hit the call, or none
	Disaster  int64            `json:"disaster_tickets"`
	Abandoned int64            `json:"abandoned"` // the caller left before its answer
	Refused   int64            `json:"refused"`   // connections; those that the system refused cannot be counted

	TicketsIssued   int64 `json:"tickets_issued"`
	TicketsConsumed int64 `json:"tickets_consumed"`

	InFlight        int `json:"in_flight"`
	MaxInFlight     int `json:"max_in_flight"`
	OpenConnections int `json:"open_connections"` // of Serve's listeners, controls included
}

// counters is Stats in the making.
type counters struct {
	mu sync.Mutex
	n  Stats
}

func (t *counters) change(f func(n *Stats)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.n)
}

func (t *counters) arrive() {
	t.change(func(n *Stats) { n.InFlight++; n.MaxInFlight = max(n.MaxInFlight, n.InFlight) })
}

func (t *counters) leave()          { t.change(func(n *Stats) { n.InFlight-- }) }
func (t *counters) abandon()        { t.change(func(n *Stats) { n.Abandoned++ }) }
func (t *counters) refuse()         { t.change(func(n *Stats) { n.Refused++ }) }
func (t *counters) consume()        { t.change(func(n *Stats) { n.TicketsConsumed++ }) }
func (t *counters) issue(count int) { t.change(func(n *Stats) { n.TicketsIssued += int64(count) }) }

func (t *counters) count(c *call, fault Kind, outcome string) {
	t.change(func(n *Stats) {
		n.Requests++
		n.ByAction[c.action]++
		n.ByFault[fault]++
		n.ByOutcome[outcome]++
		if c.disaster() {
			n.Disaster++
		}
	})
}

// reset forgets the counts, but not the calls that are under way.
func (t *counters) reset(now time.Time) {
	t.change(func(n *Stats) {
		*n = Stats{
			StartedAt: now, InFlight: n.InFlight, MaxInFlight: n.InFlight,
			ByAction: map[string]int64{}, ByOutcome: map[string]int64{}, ByFault: map[Kind]int64{},
		}
	})
}

// Stats returns the counts.
func (s *Simulator) Stats() Stats {
	var out Stats
	s.stats.change(func(n *Stats) {
		out = *n
		out.ByAction, out.ByOutcome, out.ByFault = maps.Clone(n.ByAction), maps.Clone(n.ByOutcome), maps.Clone(n.ByFault)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		out.OpenConnections += l.openConns()
	}
	return out
}

// ResetStats starts the counts anew.
func (s *Simulator) ResetStats() { s.stats.reset(time.Now()) }
