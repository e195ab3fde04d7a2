package fleet

import (
	"context"
	"time"
)

// Claim claims a question. store/redis has the same in Lua.
func (m *Memory) Claim(_ context.Context, c Claim) (Held, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if own, marked := m.ledger.marked(now, c.KeyMark()); marked && own != c.Own {
		return Held{Standing: Misused}, nil
	}
	if held, marked := m.ledger.marked(now, c.QuestionMark()); marked && held != c.Value() {
		return StandingOf(held), nil
	}
	m.ledger.marks[c.KeyMark()] = mark{by: c.Own, ends: now.Add(c.Kept)}
	m.ledger.marks[c.QuestionMark()] = mark{by: c.Value(), ends: now.Add(c.Life)}
	return Held{Standing: Yours}, nil
}

// Answer leaves an answer, unless another instance has claimed the question meanwhile.
func (m *Memory) Answer(_ context.Context, a Answer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if held, marked := m.ledger.marked(now, a.QuestionMark()); marked && held != a.Claim.Value() {
		return nil
	}
	m.ledger.marks[a.KeyMark()] = mark{by: a.Own, ends: now.Add(a.Kept)}
	m.ledger.marks[a.QuestionMark()] = mark{by: a.Value(), ends: now.Add(a.Kept)}
	return nil
}
