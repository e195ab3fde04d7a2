package fleet

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// A ledger is what the instances share of passes, in memory. store/redis has the same
// arithmetic in Lua.
type ledger struct {
	marks  map[string]mark
	fulls  map[string]Ticks // of buckets, when they are full
	clocks map[string]stopwatch
}

type mark struct {
	by   string
	ends time.Time
}

type stopwatch struct {
	begun, renewed Ticks // 0: not
	ends           time.Time
}

func newLedger() ledger {
	return ledger{marks: map[string]mark{}, fulls: map[string]Ticks{}, clocks: map[string]stopwatch{}}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// Take asks for a pass.
func (m *Memory) Take(_ context.Context, w Want) (Got, error) { return m.TakeAt(time.Now(), w), nil }

// TakeAt is Take at a time of the board.
func (m *Memory) TakeAt(at time.Time, w Want) Got {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.board.gen != w.Gen || w.Gen == 0 {
		return Got{Begun: -1}
	}
	at = time.UnixMicro(at.UnixMicro())
	now := ticksAt(at)
	born := ticksAt(time.UnixMilli(m.board.born))
	return m.ledger.take(at, now, born, w)
}

func ticksAt(t time.Time) Ticks { return Ticks(t.UnixMicro()-ticksBegan*1_000_000) * ticksPerMicro }

func (l *ledger) take(at time.Time, now, born Ticks, w Want) Got {
	got := Got{Outcome: Given, At: at, Begun: -1}
	for i, name := range w.Claims {
		if by, marked := l.marked(at, name); marked && w.inWay(by) {
			got.Outcome, got.Which = Claimed, i
			return got
		}
	}
	for i, name := range w.Bars {
		if _, marked := l.marked(at, name); marked {
			got.Outcome, got.Which = Barred, i
			return got
		}
	}
	begun, renewed := l.clock(at, now, w.Clock)
	bounded := w.Clock.For > 0
	if bounded && begun > 0 && now >= begun+w.Clock.For {
		got.Outcome = Over
	}
	if fulls, ok := l.fill(now, born, w, &got); ok && got.Outcome == Given {
		if begun == 0 {
			begun = now
		}
		l.give(at, w, fulls, stopwatch{begun, renewed, at.Add(w.Clock.Life())})
		for i, full := range fulls {
			got.Levels[i] = full - now
		}
	} else {
		got.Outcome = Over
	}
	if bounded && begun > 0 {
		got.Begun = now - begun
	}
	return got
}

// inWay reports whether a mark that was left by an attempt is in the way of this one. One of
// the asker's own that began later is: this one was lost, and comes late.
func (w Want) inWay(by string) bool { return by != w.ID && (askerOf(by) != askerOf(w.ID) || by > w.ID) }

func askerOf(id string) string {
	asker, _, _ := strings.Cut(id, ".")
	return asker
}

// fill is when each bucket is full after this, and whether all have a token; got has how
// they stand.
func (l *ledger) fill(now, born Ticks, w Want, got *Got) (fulls []Ticks, ok bool) {
	ok = true
	for _, b := range w.Buckets {
		full, known := l.fulls[BucketKey(w.Gen, b.Name)]
		if !known {
			full = born + b.Burst
		}
		got.Levels = append(got.Levels, max(full-now, 0))
		after := max(full, now) + b.Interval
		fulls, ok = append(fulls, after), ok && after-now <= b.Burst
	}
	return fulls, ok
}

// give takes all that w wants.
func (l *ledger) give(at time.Time, w Want, fulls []Ticks, s stopwatch) {
	for i, b := range w.Buckets {
		l.fulls[BucketKey(w.Gen, b.Name)] = fulls[i]
	}
	for _, name := range w.Claims {
		l.marks[name] = mark{by: w.ID, ends: at.Add(w.Life)}
	}
	if w.Clock.For > 0 {
		l.clocks[w.Clock.Name] = s
	}
}

func (l *ledger) marked(at time.Time, name string) (by string, marked bool) {
	held, ok := l.marks[name]
	return held.by, ok && at.Before(held.ends)
}

// clock is when a clock began, 0 if it has not, and when it last was renewed: what the
// board knows, and what the asker knows better. What began before it was renewed has
// ended.
func (l *ledger) clock(at time.Time, now Ticks, c Clock) (begun, renewed Ticks) {
	if s, ok := l.clocks[c.Name]; ok && at.Before(s.ends) {
		begun, renewed = s.begun, s.renewed
	}
	if told := now - c.Renewed; c.Renewed >= 0 && told > renewed+c.For/2 { // else it was told before, give or take a trip
		renewed = told
	}
	if begun < renewed {
		begun = 0
	}
	if told := now - c.Begun; c.Begun >= 0 && told >= renewed && (begun == 0 || told < begun) {
		begun = told
	}
	if c.Again && begun > 0 && now >= begun+2*c.For {
		begun = 0
	}
	return begun, renewed
}

// Mark leaves marks that are not there.
func (m *Memory) Mark(_ context.Context, marks []Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, k := range marks {
		m.ledger.marks[k.Name] = mark{by: k.By, ends: now.Add(k.Life)}
	}
	return nil
}

// Marked returns which of the names are marked.
func (m *Memory) Marked(_ context.Context, names ...string) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	var marked []bool
	for _, name := range names {
		_, is := m.ledger.marked(now, name)
		marked = append(marked, is)
	}
	return marked, nil
}

// Release takes marks away that were left by whom ID names.
func (m *Memory) Release(_ context.Context, id string, names ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		if m.ledger.marks[name].by == id {
			delete(m.ledger.marks, name)
		}
	}
	return nil
}
