package sla

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"captchagate/captcha"
)

const (
	// openFor is how many minutes after its own a minute stays open: a call is counted
	// in that of its beginning, and takes a minute at most.
	openFor = 2
	// maxKinds bounds the kinds of failure of one minute; the rest are "other".
	maxKinds = 16
	// maxIDs is how many request ids a fault is told with.
	maxIDs = 20
)

// A count is what was seen in a minute.
type count struct {
	Requests int64 `json:"r"` // those that failed, and probes, included
	Failed   int64 `json:"f,omitempty"`
	Probes   int64 `json:"p,omitempty"` // of those that failed
	Spared   int64 `json:"s,omitempty"`

	Unanswered int64 `json:"u,omitempty"` // of those that failed

	Kinds map[string]int64 `json:"k,omitempty"` // what failed
	IDs   []string         `json:"i,omitempty"` // of requests that failed
}

// plain reports whether nothing but requests is in it.
func (c count) plain() bool { return c.Failed == 0 && c.Spared == 0 }

// possible reports whether it can have been counted.
func (c count) possible() bool {
	return c.Requests >= c.Failed && c.Failed >= c.Probes && c.Probes >= 0 && c.Spared >= 0 &&
		c.Failed >= c.Unanswered && c.Unanswered >= 0 && len(c.IDs) <= maxIDs && len(c.Kinds) <= maxKinds+1
}

// plus adds what another instance saw.
func (c count) plus(d count) count {
	c.Requests += d.Requests
	c.Failed += d.Failed
	c.Probes += d.Probes
	c.Spared += d.Spared
	c.Unanswered += d.Unanswered
	c.Kinds = addKinds(maps.Clone(c.Kinds), d.Kinds)
	c.IDs = slices.Concat(c.IDs, d.IDs)
	c.IDs = c.IDs[:min(len(c.IDs), maxIDs)]
	return c
}

func addKinds(to, from map[string]int64) map[string]int64 {
	if to == nil && len(from) > 0 {
		to = map[string]int64{}
	}
	for kind, n := range from {
		to[kind] += n
	}
	return to
}

// A tally counts one minute.
type tally struct {
	minute   int64
	requests atomic.Int64
	spared   atomic.Int64

	mu     sync.Mutex
	failed count // what failed: its requests and spared are not used
}

// newTally goes on from what was counted of the minute before.
func newTally(minute int64, from count) *tally {
	t := &tally{minute: minute, failed: from}
	t.failed.Kinds = addKinds(map[string]int64{}, from.Kinds)
	t.requests.Store(from.Requests)
	t.spared.Store(from.Spared)
	return t
}

func (t *tally) fail(s captcha.Seen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed.Failed++
	if s.Probe {
		t.failed.Probes++
	}
	if s.Unanswered {
		t.failed.Unanswered++
	}
	what := s.What
	if _, known := t.failed.Kinds[what]; !known && len(t.failed.Kinds) >= maxKinds {
		what = "other"
	}
	t.failed.Kinds[what]++
	if s.RequestID != "" && len(t.failed.IDs) < maxIDs {
		t.failed.IDs = append(t.failed.IDs, s.RequestID)
	}
}

// count is how it stands. A call that is being counted may be among the failed already,
// and is then taken for a request.
func (t *tally) count() count {
	t.mu.Lock()
	c := t.failed
	c.Kinds, c.IDs = maps.Clone(c.Kinds), slices.Clone(c.IDs)
	t.mu.Unlock()
	c.Requests, c.Spared = max(t.requests.Load(), c.Failed), t.spared.Load()
	return c
}
