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
	// Put stores value under key, in place of what was there; for ever where
	// life is 0.
	Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
	// Delete removes what is under key.
	Delete(ctx context.Context, bucket, key string) error
	// List returns up to most values of a bucket in the order of their keys.
	List(ctx context.Context, bucket string, most int) (iter.Seq2[string, []byte], error)
}

// mostIncidents is how many are kept; the oldest go first.
const mostIncidents = 200

// Incidents writes one summary for each outage. Begin, Decision and End never
// wait for the store: Run writes what changed, every second.
//
// A process that is killed loses at most the counts since the last write. Where
// the new process meets the outage again within two minutes of the old one's
// last sign of life, the same incident goes on; else it is closed at that last
// sign. Between the two it belongs to nobody: List shows it without an end and
// Current does not name it.
type Incidents struct {
	store Store
	ended func(Incident)
	log   *slog.Logger
	now   atomic.Pointer[tally] // of the incident that goes on; nil where none
	wake  chan struct{}
	sick  bool // the last write failed; Run's own

	mu      sync.Mutex
	records []*record // oldest first
	open    *record   // goes on; nil where none
	left    *record   // was left open by an earlier process, and may go on
	gone    []string  // ids to delete from the store
}

// NewIncidents reads what an earlier process wrote. ended, where not nil, is
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
	if is.open == nil && !is.resume(at) {
		is.start(at, evidence)
	}
	r := is.open
	cut := r.cut
	if at.Sub(cut) > resumeWithin {
		cut = time.Time{}
	}
	r.incident.begin(kind, evidence, at, cut)
	r.dirty = true
	is.stir()
}

// End tells that it is over. The incident ends with the last of its parts.
func (is *Incidents) End(kind Kind, at time.Time) {
	is.mu.Lock()
	defer is.mu.Unlock()
	r := is.open
	if r == nil || r.incident.open(kind) < 0 {
		return
	}
	r.dirty = true
	if r.incident.end(kind, at.UTC().Round(0)) {
		is.now.Store(nil)
		r.incident.Answers = r.tally.answers()
		r.tally, r.untold, is.open = nil, true, nil
	}
	is.stir()
}

// Decision counts an answer of the incident that goes on; where none does it
// does nothing. The words are those of POST /v1/verify. It takes no lock and
// allocates nothing. Answers given in the very moment of the end may be left
// out.
func (is *Incidents) Decision(decision, cause string) {
	if t := is.now.Load(); t != nil {
		t.add(decision, cause, 1)
	}
}

// Current is the id of the incident that goes on, "" where none does.
func (is *Incidents) Current() string {
	if t := is.now.Load(); t != nil {
		return t.id
	}
	return ""
}

// Reverified tells how the re-verification of an incident stands: all its
// counts so far, not what was added. They may change long after the end. It
// reports false where no such incident is kept. All zero after other counts is
// somebody who has forgotten, and changes nothing.
func (is *Incidents) Reverified(id string, c Counts) bool {
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

// Find returns an incident by its id.
func (is *Incidents) Find(id string) (Incident, bool) {
	is.mu.Lock()
	defer is.mu.Unlock()
	if r := is.find(id); r != nil {
		return r.shown(), true
	}
	return Incident{}, false
}

// List returns the newest incidents, newest first, at most limit of the 200
// that are kept; never nil.
func (is *Incidents) List(limit int) []Incident {
	is.mu.Lock()
	defer is.mu.Unlock()
	found := []Incident{}
	for _, r := range slices.Backward(is.records) {
		if len(found) >= limit {
			break
		}
		found = append(found, r.shown())
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

// start begins a new incident.
func (is *Incidents) start(at time.Time, evidence string) {
	id := uuid.Must(uuid.NewV7()).String()
	r := &record{
		incident: Incident{ID: id, Began: at, Evidence: shorten(evidence)},
		tally:    &tally{id: id},
	}
	is.records = append(is.records, r)
	is.goOn(r)
	for len(is.records) > mostIncidents {
		is.gone = append(is.gone, is.records[0].incident.ID)
		is.records = is.records[1:]
	}
}

func (is *Incidents) goOn(r *record) {
	is.open = r
	is.now.Store(r.tally)
}

// stir has Run write soon; it never blocks.
func (is *Incidents) stir() {
	select {
	case is.wake <- struct{}{}:
	default: // it will anyway
	}
}
