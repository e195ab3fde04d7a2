package fleet

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Memory is a Board in this process, by its clock: for tests, in virtual time too.
type Memory struct {
	mu     sync.Mutex
	board  board
	ledger ledger
	queues queues
}

// NewMemory returns an empty board.
func NewMemory() *Memory { return &Memory{ledger: newLedger(), queues: newQueues()} }

// Beat is the Board's.
func (m *Memory) Beat(_ context.Context, r Report) (View, error) {
	return m.BeatAt(time.Now(), "memory", r), nil
}

// BeatAt is Beat at a time, on a server of that name: another name is another
// server, on which anything may have been lost.
func (m *Memory) BeatAt(now time.Time, run string, r Report) View {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.board.beat(now.UnixMilli(), run, r)
}

// Members is the Board's.
func (m *Memory) Members(context.Context) ([]Seen, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now().UnixMilli()
	var members []Seen
	for _, id := range slices.Sorted(maps.Keys(m.board.seen)) {
		members = append(members, Seen{ID: id, About: m.board.about[id], Age: age(now, m.board.seen[id])})
	}
	return members, nil
}

// Flush loses everything.
func (m *Memory) Flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.board, m.ledger, m.queues = board{}, newLedger(), newQueues()
}
