package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"captchagate/control"
)

const (
	// maxStreams is how many event streams may be open, and maxViewers how many of them may
	// be viewers', so that there is one for an operator.
	maxStreams = 128
	maxViewers = maxStreams / 2
	// maxRecent is how many entries of the audit are at hand for streams.
	maxRecent = 128
	// statusEvery is how far apart two statuses on a stream are at least.
	statusEvery = time.Second
)

// live tells event streams of the status and the audit. What is told is computed and
// encoded once for all of them. A stream takes what is new when it can: nobody waits for
// it, and nothing is kept for it.
type live struct {
	status func() Status
	wake   chan struct{} // something happened that the status may tell
	over   chan struct{} // closed by end

	mu      sync.Mutex
	streams map[*stream]struct{}
	viewers int // streams of theirs
	newest  told
	still   []byte // the newest status without what only time changes
	recent  []audited
	entries uint64 // of the audit so far; the newest of recent is the last of them
}

// told is a status as an event.
type told struct {
	event []byte
	made  time.Time
}

// audited is an entry of the audit as an event.
type audited struct {
	id    string
	event []byte
}

// A stream is one whom live tells.
type stream struct {
	wake   chan struct{}
	viewer bool
	sent   told   // the last status that it took
	seen   uint64 // entries of the audit, as live.entries
}

func newLive(status func() Status) *live {
	return &live{status: status, wake: make(chan struct{}, 1), over: make(chan struct{}), streams: map[*stream]struct{}{}}
}

// run tells of each change, within a second, until ctx ends.
func (l *live) run(ctx context.Context) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.wake:
		}
		if !l.refresh() {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(statusEvery):
		}
	}
}

// refresh looks at the status if anybody listens, and reports whether it tells of a change.
func (l *live) refresh() (changed bool) {
	l.mu.Lock()
	heard := len(l.streams) > 0
	l.mu.Unlock()
	if !heard {
		return false
	}
	s := l.status()
	still := encode(withoutAge(s))
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Equal(still, l.still) {
		return false
	}
	l.still, l.newest = still, statusEvent(s)
	l.wakeAll()
	return true
}

// withoutAge is a status without what changes while nothing happens.
func withoutAge(s Status) Status {
	s.Replicas = slices.Clone(s.Replicas)
	for i := range s.Replicas {
		s.Replicas[i].AgeMS, s.Replicas[i].ClockLagMS = 0, 0
	}
	return s
}

func encode(body any) []byte {
	text, _ := json.Marshal(body) // texts, numbers and times
	return text
}

func statusEvent(s Status) told {
	return told{fmt.Appendf(nil, "event: status\ndata: %s\n\n", encode(s)), time.Now()}
}

// entered takes an entry of the audit.
func (l *live) entered(e control.Entry) {
	one := asEvent(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) == maxRecent {
		l.recent = slices.Delete(l.recent, 0, 1)
	}
	l.recent = append(l.recent, one)
	l.entries++
	l.wakeAll()
	signal(l.wake)
}

// idForm is a time that can be sorted as text, and asked for with since.
const idForm = "2006-01-02T15:04:05.000000000Z"

func asEvent(e control.Entry) audited {
	id := e.At.UTC().Format(idForm)
	return audited{id, fmt.Appendf(nil, "event: audit\nid: %s\ndata: %s\n\n", id, encode(e))}
}

// wakeAll has all streams look for what is new. The lock is held.
func (l *live) wakeAll() {
	for one := range l.streams {
		signal(one.wake)
	}
}

// signal wakes whoever reads from a channel of one; it never blocks.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default: // it was woken already
	}
}

// join lets a stream listen from now on; ok is false if there are as many as may be.
func (l *live) join(viewer bool) (one *stream, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.streams) >= maxStreams || viewer && l.viewers >= maxViewers {
		return nil, false
	}
	one = &stream{wake: make(chan struct{}, 1), viewer: viewer, seen: l.entries}
	l.streams[one] = struct{}{}
	if viewer {
		l.viewers++
	}
	return one, true
}

func (l *live) leave(one *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, one)
	if one.viewer {
		l.viewers--
	}
}

// end has all streams end, those that come later too.
func (l *live) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.over:
	default:
		close(l.over)
	}
}

// since takes the entries that follow the one of an id, of those at hand; found is false
// if that one is not among them.
func (l *live) since(one *stream, id string) (events []audited, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.recent, func(a audited) bool { return a.id == id })
	one.seen = l.entries
	return slices.Clone(l.recent[at+1:]), at >= 0
}

// first is the status as it is now, for a stream that has just joined.
func (l *live) first(one *stream) []byte {
	s := l.status()
	l.mu.Lock()
	defer l.mu.Unlock()
	one.sent = statusEvent(s)
	if len(l.streams) == 1 { // nobody has looked for long
		l.newest, l.still = one.sent, encode(withoutAge(s))
	}
	return one.sent.event
}

// next takes what is new for a stream: entries, and the newest status, or for how long that
// has to wait. ok is false if more were entered than are at hand since it last did.
func (l *live) next(one *stream) (events []byte, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missed := l.entries - one.seen
	if missed > uint64(len(l.recent)) {
		return nil, 0, false
	}
	for _, a := range l.recent[len(l.recent)-int(missed):] {
		events = append(events, a.event...)
	}
	one.seen = l.entries
	if !l.newest.made.After(one.sent.made) || bytes.Equal(l.newest.event, one.sent.event) {
		return events, 0, true
	}
	if wait = time.Until(one.sent.made.Add(statusEvery)); wait > 0 {
		return events, wait, true
	}
	one.sent = l.newest
	return append(events, l.newest.event...), 0, true
}
