package challenge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// maxWaiting bounds who waits in a line, and how many networks it remembers.
const maxWaiting = 1024

var errFull = errors.New("too many wait, most of them from one network")

// A line shares out the derivations that may run at once among networks, by
// what their challenges cost (start-time fair queueing): whoever had least is
// next, so that a network that sends ever so many solutions keeps others waiting
// for one of its own at most.
type line struct {
	mu       sync.Mutex
	free     int
	now      int // iterations: what the network last served had had by then
	waiting  int
	networks map[netip.Prefix]*network
}

// A network is what one of them had, and who of it waits.
type network struct {
	had   int // iterations, on the scale of line.now
	queue []*waiter
}

type waiter struct {
	cost int
	turn chan error // gets one value: nil, or why there is no turn
}

func newLine(slots int) *line { return &line{free: slots, networks: map[netip.Prefix]*network{}} }

// enter waits for a turn of that many iterations and returns how to end it. The
// error says why there was none: ctx ended, or too many wait.
func (l *line) enter(ctx context.Context, from netip.Prefix, cost int) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	w := &waiter{cost: cost, turn: make(chan error, 1)}
	l.mu.Lock()
	l.join(from, w)
	l.serve()
	l.mu.Unlock()
	select {
	case err = <-w.turn:
	case <-ctx.Done():
		if l.withdraw(from, w) {
			return nil, fmt.Errorf("all derivations are taken: %w", context.Cause(ctx))
		}
		err = <-w.turn // it came at the same moment
	}
	if err != nil {
		return nil, err
	}
	return l.leave, nil
}

// join puts w behind the others of its network. If too many wait, the last of
// the network that has most in line has to go.
func (l *line) join(from netip.Prefix, w *waiter) {
	n := l.networks[from]
	if n == nil {
		n = &network{had: l.now}
		l.networks[from] = n
	}
	n.had = max(n.had, l.now) // nobody saves up for later by staying away
	n.queue = append(n.queue, w)
	if l.waiting++; l.waiting <= maxWaiting {
		return
	}
	for _, other := range l.networks {
		if len(other.queue) > len(n.queue) {
			n = other
		}
	}
	last := len(n.queue) - 1
	n.queue[last].turn <- errFull
	n.queue = n.queue[:last]
	l.waiting--
}

// serve gives free turns to who had least.
func (l *line) serve() {
	for l.free > 0 && l.waiting > 0 {
		var next *network
		for _, n := range l.networks {
			if len(n.queue) > 0 && (next == nil || n.had < next.had) {
				next = n
			}
		}
		w := next.queue[0]
		next.queue = next.queue[1:]
		l.now = next.had
		next.had += w.cost
		l.waiting--
		l.free--
		w.turn <- nil
	}
	l.forget()
}

// forget drops networks of which nobody waits once they have no more than
// others had, or if there are too many.
func (l *line) forget() {
	for from, n := range l.networks {
		if len(n.queue) == 0 && (n.had <= l.now || len(l.networks) > 2*maxWaiting) {
			delete(l.networks, from)
		}
	}
}

// leave ends a turn.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free++
	l.serve()
}

// withdraw takes w out of the line and reports whether it still stood there.
func (l *line) withdraw(from netip.Prefix, w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.networks[from]
	if n == nil {
		return false
	}
	i := slices.Index(n.queue, w)
	if i < 0 {
		return false
	}
	n.queue = slices.Delete(n.queue, i, i+1)
	l.waiting--
	return true
}
