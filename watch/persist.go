package watch

import (
	"context"
	"encoding/json"
	"time"
)

const (
	incidentBucket = "incidents"
	writeInterval  = time.Second      // at most, and at least while counts change
	heartbeat      = 10 * time.Second // between writes of an incident in which nothing happens
	resumeWithin   = 2 * time.Minute  // from the last sign of life to the new process's Begin
	maxFinalWrite  = time.Second      // for the writes when the process ends
	maxRead        = 1000             // more than maxIncidents: a kill may leave some undeleted
)

// record is an incident with what belongs to its keeping.
type record struct {
	incident       Incident
	tally          *tally    // of the ongoing incident; nil: incident.Answers holds
	lastAlive      time.Time // of the process before; zero if there was none
	writtenAt      time.Time
	writtenAnswers int64 // counted at the last write
	dirty          bool  // to be written
	unannounced    bool  // over, and ended was not called yet
}

// stored is the form in the store.
type stored struct {
	Incident
	Seen time.Time `json:"seen"` // the process lived then
}

// snapshot is the incident as it stands now.
func (r *record) snapshot() Incident {
	i := r.incident.clone()
	if r.tally != nil {
		r.tally.tell(&i)
	}
	return i
}

// load reads what is stored. Of two open ones, which only a store that lost
// writes can have, the older one is closed.
func (is *Incidents) load(ctx context.Context) error {
	if err := is.loadTold(ctx); err != nil {
		return err
	}
	found, err := is.store.List(ctx, incidentBucket, maxRead)
	if err != nil {
		return err
	}
	for id, text := range found {
		var s stored
		if err := json.Unmarshal(text, &s); err != nil || s.ID != id {
			is.log.Warn("a stored incident cannot be read and is left out", "id", id)
			is.deletions = append(is.deletions, id)
			continue
		}
		r := &record{incident: s.Incident, writtenAt: s.Seen}
		is.records = append(is.records, r)
		if r.incident.Ended == nil {
			is.abandon()
			is.resumable = r
		}
	}
	for len(is.records) > maxIncidents {
		is.deletions = append(is.deletions, is.records[0].incident.ID)
		is.records = is.records[1:]
	}
	if is.resumable != nil {
		is.resumable.interrupt()
	}
	return nil
}

// interrupt closes the parts that went on when the process ended.
func (r *record) interrupt() {
	r.lastAlive = r.writtenAt
	r.incident.Interrupted = true
	for n := range r.incident.Parts {
		if r.incident.Parts[n].Ended == nil {
			r.incident.Parts[n].Ended = &r.lastAlive
		}
	}
}

// resume goes on with the incident that an earlier process left open, if
// that was not long ago.
func (is *Incidents) resume(at time.Time) bool {
	r := is.resumable
	if r == nil {
		return false
	}
	if at.Sub(r.lastAlive) > resumeWithin {
		is.abandon()
		return false
	}
	is.resumable = nil
	r.tally = newTally(r.incident.ID)
	r.tally.restore(r.incident)
	is.setOngoing(r)
	return true
}

// abandon closes the incident that an earlier process left open.
func (is *Incidents) abandon() {
	if r := is.resumable; r != nil {
		r.interrupt()
		r.incident.Ended = &r.lastAlive
		r.dirty, r.unannounced, is.resumable = true, true, nil
	}
}

// Run writes what changed, and tells of incidents that are over, until ctx
// ends; then it writes once more. Without it nothing is kept.
func (is *Incidents) Run(ctx context.Context) {
	tick := time.NewTicker(writeInterval)
	defer tick.Stop()
	for {
		is.flush(ctx)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxFinalWrite)
			defer cancel()
			is.flush(last)
			return
		case <-tick.C:
		case <-is.wake:
		}
	}
}

// write is one incident on its way to the store.
type write struct {
	r    *record
	text []byte
	over *Incident // to be told of; nil if not
}

// flush writes what changed. Only Run calls it, so an older form of an incident
// never comes after a newer one. What is over is told even if the store is
// away: people must know.
func (is *Incidents) flush(ctx context.Context) {
	writes, deletions := is.pending(time.Now().UTC().Round(0))
	var failed error
	for _, w := range writes {
		if err := is.store.Put(ctx, incidentBucket, w.r.incident.ID, w.text, 0); err != nil {
			failed = err
			is.mu.Lock()
			w.r.dirty = true
			is.mu.Unlock()
		}
		if w.over != nil {
			is.ended(*w.over)
		}
	}
	for _, id := range deletions {
		if err := is.store.Delete(ctx, incidentBucket, id); err != nil {
			failed = err
			is.mu.Lock()
			is.deletions = append(is.deletions, id)
			is.mu.Unlock()
		}
	}
	if failed != nil && !is.storeAway && ctx.Err() == nil {
		is.log.Error("incidents cannot be kept; they are in memory until the store takes writes again", "error", failed)
	}
	is.storeAway = failed != nil
}

// pending takes what is to be written and deleted.
func (is *Incidents) pending(now time.Time) (writes []write, deletions []string) {
	is.mu.Lock()
	defer is.mu.Unlock()
	if is.resumable != nil && now.Sub(is.resumable.lastAlive) > resumeWithin {
		is.abandon()
	}
	if r := is.ongoing; r != nil {
		r.dirty = r.dirty || r.tally.sum() != r.writtenAnswers || now.Sub(r.writtenAt) >= heartbeat
	}
	for _, r := range is.records {
		if r.dirty {
			writes = append(writes, r.prepare(now))
		}
	}
	deletions, is.deletions = is.deletions, nil
	return writes, deletions
}

// prepare makes the form to be written.
func (r *record) prepare(now time.Time) write {
	if r.tally != nil {
		r.writtenAnswers, r.writtenAt = r.tally.sum(), now
	}
	snapshot := r.snapshot()
	text, _ := json.Marshal(stored{Incident: snapshot, Seen: r.writtenAt}) // strings, numbers, times: cannot fail
	w := write{r: r, text: text}
	if r.unannounced {
		w.over = &snapshot
	}
	r.dirty, r.unannounced = false, false
	return w
}
