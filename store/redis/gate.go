package redis

import (
	"sync"
	"time"
)

const (
	// failuresToShut is how many calls in a row must fail, of requests.
	failuresToShut = 3
	// beatsToOpen is how many beats in a row must succeed, each within quickBeat.
	beatsToOpen = 2
	quickBeat   = 10 * time.Millisecond
)

// A gate keeps requests off a Redis that does not answer in time: they go on without.
// The beat, for which nobody waits, says when it is back. It is shut at first.
type gate struct {
	quick time.Duration // a beat that takes less shows that it answers in time

	mu       sync.Mutex
	open     bool
	failures int // of requests, in a row
	beats    int // quick ones in a row, while shut
}

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// beaten takes in how a beat went.
func (g *gate) beaten(took time.Duration, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err != nil:
		g.open, g.beats = false, 0
	case took >= g.quick:
		g.beats = 0
	default:
		if g.beats++; g.beats >= beatsToOpen && !g.open {
			g.open, g.failures = true, 0
		}
	}
}

// asked takes in how a request's call went.
func (g *gate) asked(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.failures = 0
		return
	}
	if g.failures++; g.failures >= failuresToShut {
		g.open, g.beats = false, 0
	}
}
