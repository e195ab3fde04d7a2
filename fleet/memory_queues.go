package fleet

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// queues are what owners have to do, in memory. store/redis has the same.
type queues struct {
	seen     map[string]time.Time
	adopting map[string]adoption
	records  map[string]map[string][]byte // by owner
	taken    map[string]map[string]bool
}

type adoption struct {
	by    string
	until time.Time
}

func newQueues() queues {
	return queues{
		seen: map[string]time.Time{}, adopting: map[string]adoption{},
		records: map[string]map[string][]byte{}, taken: map[string]map[string]bool{},
	}
}

// Tend says that an owner is there, and whether it may adopt; what it is adopting comes
// before any other orphan.
func (m *Memory) Tend(_ context.Context, owner string, adopts bool) (t Tending, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q, now := m.queues, time.Now()
	if seen, known := q.seen[owner]; known {
		t.Silent = now.Sub(seen)
	}
	q.seen[owner] = now
	t.Adopted = now.Before(q.adopting[owner].until)
	if !adopts {
		return t, nil
	}
	for orphan, a := range q.adopting {
		if a.by == owner && now.Before(a.until) {
			t.Orphan = orphan
		}
	}
	for _, orphan := range slices.Sorted(maps.Keys(q.seen)) {
		if t.Orphan == "" && now.Sub(q.seen[orphan]) >= QueueSilence && !now.Before(q.adopting[orphan].until) {
			t.Orphan = orphan
		}
	}
	if t.Orphan != "" {
		q.adopting[t.Orphan] = adoption{owner, now.Add(AdoptionLife)}
	}
	return t, nil
}

// KeepFor is Keep; memory forgets no queue.
func (m *Memory) KeepFor(ctx context.Context, owner string, records []Record, _ time.Duration) error {
	return m.Keep(ctx, owner, records)
}

// Keep brings records of an owner into its queue, or out of it. What came back to it was
// not adopted.
func (m *Memory) Keep(_ context.Context, owner string, records []Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	held := m.queues.records[owner]
	if held == nil {
		held = map[string][]byte{}
		m.queues.records[owner] = held
	}
	for _, r := range records {
		if r.Value == nil {
			delete(held, r.Name)
		} else {
			held[r.Name] = slices.Clone(r.Value)
			delete(m.queues.taken[owner], r.Name)
		}
	}
	return nil
}

// Names are those of an owner's records.
func (m *Memory) Names(_ context.Context, owner string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.queues.records[owner])), nil
}

// Left are some records of a queue whose names begin with prefix; none if there are none.
func (m *Memory) Left(_ context.Context, owner, prefix string) (records []Record, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, value := range m.queues.records[owner] {
		if strings.HasPrefix(name, prefix) {
			records = append(records, Record{name, slices.Clone(value)})
		}
	}
	return records, nil
}

// All are all records of a queue.
func (m *Memory) All(ctx context.Context, owner string) ([]Record, error) {
	return m.Left(ctx, owner, "")
}

// Took brings records out of a queue that were adopted.
func (m *Memory) Took(_ context.Context, orphan string, names []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.queues.taken[orphan] == nil {
		m.queues.taken[orphan] = map[string]bool{}
	}
	for _, name := range names {
		delete(m.queues.records[orphan], name)
		m.queues.taken[orphan][name] = true
	}
	return nil
}

// Done ends an adoption.
func (m *Memory) Done(_ context.Context, orphan string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.queues.adopting, orphan)
	if time.Since(m.queues.seen[orphan]) >= QueueSilence {
		delete(m.queues.seen, orphan)
	}
	return nil
}

// Taken returns which of an owner's records were adopted.
func (m *Memory) Taken(_ context.Context, owner string, names []string) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := make([]bool, len(names))
	for i, name := range names {
		taken[i] = m.queues.taken[owner][name]
	}
	return taken, nil
}
