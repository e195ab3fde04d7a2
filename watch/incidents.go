package watch

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// A Store keeps incidents over a restart.
type Store interface {
	// Put stores value under key, in place of what was there; for ever if
	// life is 0.
	Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
	// Delete removes what is under key.
	Delete(ctx context.Context, bucket, key string) error
	// List returns up to limit values of a bucket in the order of their keys.
	List(ctx context.Context, bucket string, limit int) (iter.Seq2[string, []byte], error)
}

// maxIncidents is how many are kept; the oldest go first.
const maxIncidents = 200

// Incidents writes one summary for each outage. Begin, CountAnswer and End
// never wait for the store: Run writes what changed, every second.
//
// A process that is killed loses at most the counts since the last write. If
// the new process meets the outage again within two minutes of the old one's
// last sign of life, the same incident goes on; else it is closed at that last
// sign. Between the two it belongs to nobody: List shows it without an end and
// Current does not name it.
type Incidents struct {
	store     Store
	ended     func(Incident)
	log       *slog.Logger
	current   atomic.Pointer[tally] // of the ongoing incident; nil if none
	early     atomic.Pointer[early] // what may become one; nil if nothing failed
	wake      chan struct{}
	storeAway bool // the last write failed; Run's own

	mu        sync.Mutex
	records   []*record // oldest first
	ongoing   *record   // nil if none
	resumable *record   // was left open by an earlier process, and may go on
	deletions []string  // ids to delete from the store
	quotes    []quote   // of calls that failed lately, oldest first

	told map[string]Told // by other instances of a fleet
}

// NewIncidents reads what an earlier process wrote. ended, if not nil, is
// told of each incident that is over, once, from Run's goroutine. The error
// says that the store cannot be read.
func NewIncidents(ctx context.Context, store Store, ended func(Incident), log *slog.Logger) (*Incidents, error) {
	if ended == nil {
		ended = func(Incident) {}
	}
	is := &Incidents{store: store, ended: ended, log: log, wake: make(chan struct{}, 1)}
	if err := is.load(ctx); err != nil {
		return nil, fmt.Errorf("watch: the incidents cannot be read: %w", err)
	}
	return is, nil
}

// Begin tells that something which makes an incident began at a time, and how
// that is known. It is a part of the incident that goes on, or begins one. A
// kind that has begun already is not told twice.
func (is *Incidents) Begin(kind Kind, evidence string, at time.Time) {
	at = at.UTC().Round(0)
	is.mu.Lock()
	defer is.mu.Unlock()
	if is.ongoing == nil && !is.resume(at) {
		is.start(kind, at)
	}
	r := is.ongoing
	cut := r.lastAlive
	if at.Sub(cut) > resumeWithin {
		cut = time.Time{}
	}
	r.incident.begin(kind, evidence, at, cut)
	r.dirty = true
	is.wakeRun()
}

// End tells that it is over. The incident ends with the last of its parts.
func (is *Incidents) End(kind Kind, at time.Time) {
	is.mu.Lock()
	defer is.mu.Unlock()
	r := is.ongoing
	if r == nil || r.incident.open(kind) < 0 {
		return
	}
	r.dirty = true
	if r.incident.end(kind, at.UTC().Round(0)) {
		is.current.Store(nil)
		r.tally.tell(&r.incident)
		r.tally, r.unannounced, is.ongoing = nil, true, nil
	}
	is.wakeRun()
}

// CountAnswer counts an answer of the incident that goes on, or that may be about
// to begin. In an incident and in peace it takes no lock and allocates nothing.
// Answers given in the very moment of the end may be left out.
func (is *Incidents) CountAnswer(a Answer) {
	if t := is.current.Load(); t != nil {
		t.count(a)
		return
	}
	is.countEarly(a)
}

// Spared counts a user's request that was not sent because the circuit was open.
func (is *Incidents) Spared() {
	if t := is.current.Load(); t != nil {
		t.spared.Add(1)
	}
}

// Current is the id of the incident that goes on, "" if none does.
func (is *Incidents) Current() string {
	if t := is.current.Load(); t != nil {
		return t.id
	}
	return ""
}

// SetReverified tells how the re-verification of an incident stands: all its
// counts so far, not what was added. They may change long after the end. It
// reports false if no such incident is kept. All zero after other counts is
// somebody who has forgotten, and changes nothing.
func (is *Incidents) SetReverified(id string, c Counts) bool {
	is.mu.Lock()
	defer is.mu.Unlock()
	r := is.find(id)
	if r == nil {
		return false
	}
	if r.incident.Reverified.Counts != c && c != (Counts{}) {
		r.incident.Reverified = c.shares()
		r.dirty = true
	}
	return true
}

// Find returns an incident by its id, in a fleet as all instances saw it: also by the id
// that one of them gave it, which need not be the one that all name it by.
func (is *Incidents) Find(id string) (Incident, bool) {
	for _, o := range is.outages() {
		if slices.ContainsFunc(o.members, func(m member) bool { return m.ID == id }) {
			return o.incident(), true
		}
	}
	return Incident{}, false
}

// List returns the newest incidents, newest first, at most limit of the 200
// that are kept; never nil. In a fleet each is as all instances saw it.
func (is *Incidents) List(limit int) []Incident {
	found := []Incident{}
	for _, o := range slices.Backward(is.outages()) {
		if len(found) >= limit {
			break
		}
		found = append(found, o.incident())
	}
	return found
}

func (is *Incidents) find(id string) *record {
	for _, r := range is.records {
		if r.incident.ID == id {
			return r
		}
	}
	return nil
}

// start begins a new incident. One of the circuit began with the first of the
// calls that failed.
func (is *Incidents) start(kind Kind, at time.Time) {
	t, began := newTally(uuid.Must(uuid.NewV7()).String()), at
	if kind == KindCircuit {
		t, began = is.noticed(at)
	}
	r := &record{
		incident: Incident{ID: t.id, Began: began},
		tally:    t,
	}
	is.takeQuotes(r)
	is.records = append(is.records, r)
	is.setOngoing(r)
	for len(is.records) > maxIncidents {
		is.deletions = append(is.deletions, is.records[0].incident.ID)
		is.records = is.records[1:]
	}
}

func (is *Incidents) setOngoing(r *record) {
	is.ongoing = r
	is.current.Store(r.tally)
}

// wakeRun has Run write soon; it never blocks.
func (is *Incidents) wakeRun() {
	select {
	case is.wake <- struct{}{}:
	default: // it will anyway
	}
}
