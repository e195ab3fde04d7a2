package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// EntryKind says what an entry of the audit is about.
type EntryKind string

// The kinds.
const (
	KindSwitch     EntryKind = "switch"     // the switch or a drill
	KindTransition EntryKind = "transition" // of the circuit
	KindIncident   EntryKind = "incident"   // an outage, summed up
	KindReload     EntryKind = "reload"     // of the configuration
)

// log is the log of the store that entries of the kind are kept in.
func (k EntryKind) log() string {
	switch k {
	case KindSwitch, KindReload:
		return operatorsLog
	case KindTransition, KindIncident:
	}
	return eventsLog
}

// An Entry is one thing that happened. It holds nothing that a user sent.
type Entry struct {
	At      time.Time       `json:"at"` // different in each entry
	Kind    EntryKind       `json:"kind"`
	Actor   string          `json:"actor"` // name of the token, or "gateway", in a fleet with the instance's host and listener where it is that one's doing
	Summary string          `json:"summary"`
	Detail  json.RawMessage `json:"detail"` // what belongs to the kind; may be null

	name string // of what all instances of a fleet enter, the same on all
}

// keptEntry is an Entry as it is kept.
type keptEntry struct {
	Entry

	Name string `json:"name,omitempty"`
}

// How many entries may wait for the store, and how long the last ones get when
// the process ends.
const (
	maxQueued     = 1024
	maxFinalWrite = time.Second
	retryInterval = time.Second
)

// queuedEntry is an entry on its way to the store.
type queuedEntry struct {
	log  string
	at   time.Time
	text []byte
}

// Audit enters what happened. It never blocks: Run does the writing, and if
// the store is away for long and too many wait the newest are dropped and
// counted in the log. detail is anything that becomes JSON; nil is nothing.
func (c *Control) Audit(kind EntryKind, actor, summary string, detail any) {
	e := newEntry(time.Now().UTC(), kind, actor, summary, detail)
	c.enqueue(e)
	c.tell(e)
}

// AuditForAll is Audit for what one instance of a fleet tells for all: the others enter
// it too.
func (c *Control) AuditForAll(kind EntryKind, actor, summary string, detail any) {
	e := newEntry(time.Now().UTC(), kind, actor, summary, detail)
	e.name = newName()
	c.enqueue(e)
	c.tell(e)
}

// distinct returns at, or a moment later what no other entry has: the logs keep
// times apart only within themselves, and who reads on from the last time seen
// must miss no entry of the other.
func (c *Control) distinct(at time.Time) time.Time {
	for {
		last := c.last.Load()
		nanos := at.UnixNano()
		if behind := last - nanos; behind >= 0 && behind < int64(time.Millisecond) { // more: the clock was set back
			nanos = last + 1
		}
		if c.last.CompareAndSwap(last, nanos) {
			return at.Add(time.Duration(nanos - at.UnixNano()))
		}
	}
}

// AuditEntries returns the newest entries that are younger than since, newest
// first, at most limit; never nil without an error.
func (c *Control) AuditEntries(ctx context.Context, since time.Time, limit int) ([]Entry, error) {
	entries := []Entry{}
	for _, log := range []string{operatorsLog, eventsLog} {
		found, err := c.store.Entries(ctx, log, since, limit)
		if err != nil {
			return nil, fmt.Errorf("control: the audit cannot be read: %w", err)
		}
		for at, text := range found {
			entries = append(entries, decode(at, text))
		}
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return b.At.Compare(a.At) })
	return entries[:min(limit, len(entries))], nil
}

func decode(at time.Time, text []byte) Entry {
	var kept keptEntry
	err := json.Unmarshal(text, &kept)
	e := kept.Entry
	e.name = kept.Name
	if err != nil {
		e = Entry{Kind: KindIncident, Actor: gatewayActor, Summary: "an entry that cannot be read", Detail: json.RawMessage("null")}
	}
	e.At = at // the log may have moved it to keep times apart
	return e
}

func newEntry(at time.Time, kind EntryKind, actor, summary string, detail any) Entry {
	text, _ := json.Marshal(detail) // what cannot be JSON is nil, which is written as null
	e := Entry{At: at, Kind: kind, Actor: actor, Summary: summary, Detail: text}
	if kind.log() == operatorsLog && actor != gatewayActor {
		e.name = newName()
	}
	return e
}

// entry tells a change.
func (ch Change) entry(now time.Time) Entry {
	var until *time.Time
	if ch.For > 0 {
		end := now.Add(ch.For)
		until = &end
	}
	detail := struct {
		Mode   Mode       `json:"mode"`
		Reason string     `json:"reason"`
		Until  *time.Time `json:"until"`
		Scene  string     `json:"scene,omitempty"`
		Share  *float64   `json:"share,omitempty"`
	}{ch.Mode, ch.Reason, until, ch.Scene, nil}
	var summary string
	switch {
	case ch.Scene != "" && ch.Mode == Auto:
		summary = fmt.Sprintf("drill on %s ended", ch.Scene)
	case ch.Scene != "":
		share := ch.share()
		detail.Share = &share
		summary = fmt.Sprintf("drill on %s for %g %% of its users %s", ch.Scene, 100*share, untilText(until))
	case ch.Mode == Auto:
		summary = "switched to auto"
	default:
		summary = fmt.Sprintf("forced %s %s", ch.Mode, untilText(until))
	}
	return newEntry(now, KindSwitch, ch.Actor, summary+": "+ch.Reason, detail)
}

func (e Entry) encode() []byte {
	text, _ := json.Marshal(keptEntry{e, e.name}) // strings, a time and JSON: it cannot fail
	return text
}

func (c *Control) enqueue(e Entry) {
	e.At = c.distinct(e.At)
	c.tellReaders(e)
	select {
	case c.queue <- queuedEntry{e.Kind.log(), e.At, e.encode()}:
	default:
		if n := c.dropped.Add(1); n == 1 || n%1000 == 0 {
			c.log.Error("entries of the audit are lost: the store takes none", "lost", n)
		}
	}
}
