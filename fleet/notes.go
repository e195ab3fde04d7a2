package fleet

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// notesEvery is how often marks are written that can wait.
	notesEvery = 500 * time.Millisecond
	// mostNotes bounds what an instance keeps of its own marks; beyond that the oldest
	// are not written again if the board is lost.
	mostNotes = 100_000
	// notesBatch is how many marks are written at once.
	notesBatch = 500
)

// A Marker leaves marks on the board, and takes them away.
type Marker interface {
	Mark(ctx context.Context, marks []Mark) error
	Release(ctx context.Context, id string, names ...string) error
}

// Notes leave marks on the board, and nobody waits for it. They keep what they left for
// as long as it lives, and leave it again on a board that was lost.
type Notes struct {
	board Marker
	id    string       // of the instance
	gen   func() int64 // of the board
	wakes chan struct{}

	mu      sync.Mutex
	notes   []note          // the oldest is the first
	written int             // so many of them are on the board,
	writing int             // and so many more are on their way
	last    int64           // in this generation
	removed map[string]note // by name; may be on the board, and are not to be
}

type note struct {
	name string
	by   string
	ends time.Time
}

// NewNotes returns Notes of an instance for a board of which gen tells the generation.
func NewNotes(board Marker, id string, gen func() int64) *Notes {
	return &Notes{board: board, id: id, gen: gen, wakes: make(chan struct{}, 1), removed: map[string]note{}}
}

// Add leaves a mark for a life: at once, or within half a second.
func (n *Notes) Add(name string, life time.Duration, atOnce bool) {
	n.add(note{name: name, ends: time.Now().Add(life)}, atOnce)
}

// Lend leaves a mark at once, for a life or until Remove.
func (n *Notes) Lend(name string, life time.Duration) {
	n.add(note{name: name, by: n.id, ends: time.Now().Add(life)}, true)
}

func (n *Notes) add(one note, atOnce bool) {
	n.mu.Lock()
	delete(n.removed, one.name)
	n.notes = append(n.notes, one)
	if len(n.notes) > mostNotes {
		n.drop(len(n.notes) - mostNotes)
	}
	n.mu.Unlock()
	if atOnce {
		n.wake()
	}
}

// Remove takes a mark away that Lend left, after all that were left before.
func (n *Notes) Remove(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, one := range slices.Backward(n.notes) { // it is among the last
		if one.name != name {
			continue
		}
		n.notes = slices.Delete(n.notes, i, i+1)
		switch {
		case i < n.written:
			n.written--
		case i < n.written+n.writing:
			n.writing--
		}
		if len(n.removed) < mostNotes { // else the board has been away for long, and the mark goes by itself
			n.removed[name] = one
		}
		n.wake()
		return
	}
}

func (n *Notes) wake() {
	select {
	case n.wakes <- struct{}{}:
	default: // it will be
	}
}

func (n *Notes) drop(first int) {
	n.notes = n.notes[first:]
	n.writing = max(min(n.writing, n.written+n.writing-first), 0)
	n.written = max(n.written-first, 0)
}

// Run writes until ctx ends, and once more then.
func (n *Notes) Run(ctx context.Context) {
	ticks := time.NewTicker(notesEvery)
	defer ticks.Stop()
	for going := true; going; {
		select {
		case <-ctx.Done():
			going = false
		case <-n.wakes:
		case <-ticks.C:
		}
		n.write(context.WithoutCancel(ctx))
	}
}

// write writes what is not on the board, and takes away what is not to be. What fails is
// tried again.
func (n *Notes) write(ctx context.Context) {
	for batch := n.unwritten(); len(batch) > 0; batch = n.unwritten() {
		err := n.board.Mark(ctx, batch)
		n.mu.Lock()
		if err == nil {
			n.written += n.writing
		}
		n.writing = 0
		n.mu.Unlock()
		if err != nil {
			return
		}
	}
	for batch := n.leftover(); len(batch) > 0; batch = n.leftover() {
		names := make([]string, 0, len(batch))
		for _, gone := range batch {
			names = append(names, gone.name)
		}
		if n.board.Release(ctx, n.id, names...) != nil {
			return
		}
		n.gone(batch)
	}
}

// unwritten is what is to be written next, and forgets what has ended.
func (n *Notes) unwritten() (batch []Mark) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	ended := 0
	for ended < len(n.notes) && !now.Before(n.notes[ended].ends) {
		ended++
	}
	n.drop(ended)
	if gen := n.gen(); gen != n.last {
		n.written, n.last = 0, gen
	}
	for _, k := range n.notes[n.written:min(n.written+notesBatch, len(n.notes))] {
		batch = append(batch, Mark{Name: k.name, By: k.by, Life: k.ends.Sub(now)})
	}
	n.writing = len(batch)
	return batch
}

// leftover is what is to be taken away next, and forgets what it meets that has ended.
func (n *Notes) leftover() (batch []note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for name, one := range n.removed {
		if !now.Before(one.ends) {
			delete(n.removed, name)
			continue
		}
		if batch = append(batch, one); len(batch) == notesBatch {
			break
		}
	}
	return batch
}

// gone notes what is on the board no more.
func (n *Notes) gone(batch []note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range batch {
		if n.removed[one.name] == one { // else it was left again
			delete(n.removed, one.name)
		}
	}
}
