package watch

import (
	"context"
	"encoding/json"
	"time"
)

const (
	incidentBucket = "incidents"
	writeEvery     = time.Second      // at most, and at least while counts change
	signOfLife     = 10 * time.Second // between writes of an incident in which nothing happens
	resumeWithin   = 2 * time.Minute  // from the last sign of life to the new process's Begin
	lastWords      = time.Second      // for the writes when the process ends
	mostRead       = 1000             // more than mostIncidents: a kill may leave some undeleted
)

// record is an incident with what belongs to its keeping.
type record struct {
	incident Incident
	tally    *tally    // of the open incident; nil: incident.Answers holds
	cut      time.Time // last sign of life of the process before; zero where there was none
	seen     time.Time // time of the last write
	written  int64     // answers counted at the last write
	dirty    bool      // to be written
	untold   bool      // over, and ended was not called yet
}

// stored is the form in the store.
type stored struct {
	Incident
	Seen time.Time `json:"seen"` // the process lived then
}

// shown is the incident as it stands now.
func (r *record) shown() Incident {
	i := r.incident.clone()
	if r.tally != nil {
		i.Answers = r.tally.answers()
	}
	return i
}

// load reads what is stored. Of two open ones, which only a store that lost
// writes can have, the older one is closed.
func (is *Incidents) load(ctx context.Context) error {
	found, err := is.store.List(ctx, incidentBucket, mostRead)
	if err != nil {
		return err
	}
	for id, text := range found {
		var s stored
		if err := json.Unmarshal(text, &s); err != nil || s.ID != id {
			is.log.Warn("a stored incident cannot be read and is left out", "id", id)
			is.gone = append(is.gone, id)
			continue
		}
		r := &record{incident: s.Incident, seen: s.Seen}
		is.records = append(is.records, r)
		if r.incident.Ended == nil {
			is.abandon()
			is.left = r
		}
	}
	for len(is.records) > mostIncidents {
		is.gone = append(is.gone, is.records[0].incident.ID)
		is.records = is.records[1:]
	}
	if is.left != nil {
		is.left.interrupt()
	}
	return nil
}

// interrupt closes the parts that went on when the process ended.
func (r *record) interrupt() {
	r.cut = r.seen
	r.incident.Interrupted = true
	for n := range r.incident.Parts {
		if r.incident.Parts[n].Ended == nil {
			r.incident.Parts[n].Ended = &r.cut
		}
	}
}

// resume goes on with the incident that an earlier process left open, where
// that was not long ago.
func (is *Incidents) resume(at time.Time) bool {
	r := is.left
	if r == nil {
		return false
	}
	if at.Sub(r.cut) > resumeWithin {
		is.abandon()
		return false
	}
	is.left = nil
	r.tally = &tally{id: r.incident.ID}
	for _, a := range r.incident.Answers {
		r.tally.add(a.Decision, a.Cause, a.Count)
	}
	is.goOn(r)
	return true
}

// abandon closes the incident that an earlier process left open.
func (is *Incidents) abandon() {
	if r := is.left; r != nil {
		r.interrupt()
		r.incident.Ended = &r.cut
		r.dirty, r.untold, is.left = true, true, nil
	}
}

// Run writes what changed, and tells of incidents that are over, until ctx
// ends; then it writes once more. Without it nothing is kept.
func (is *Incidents) Run(ctx context.Context) {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		is.flush(ctx)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
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
	over *Incident // to be told of; nil where not
}

// flush writes what changed. Only Run calls it, so an older form of an incident
// never comes after a newer one. What is over is told even where the store is
// away: people must know.
func (is *Incidents) flush(ctx context.Context) {
	writes, gone := is.pending(time.Now().UTC().Round(0))
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
	for _, id := range gone {
		if err := is.store.Delete(ctx, incidentBucket, id); err != nil {
			failed = err
			is.mu.Lock()
			is.gone = append(is.gone, id)
			is.mu.Unlock()
		}
	}
	if failed != nil && !is.sick && ctx.Err() == nil {
		is.log.Error("incidents cannot be kept; they are in memory until the store takes writes again", "error", failed)
	}
	is.sick = failed != nil
}

// pending takes what is to be written and deleted.
func (is *Incidents) pending(now time.Time) (writes []write, gone []string) {
	is.mu.Lock()
	defer is.mu.Unlock()
	if is.left != nil && now.Sub(is.left.cut) > resumeWithin {
		is.abandon()
	}
	if r := is.open; r != nil {
		r.dirty = r.dirty || r.tally.sum() != r.written || now.Sub(r.seen) >= signOfLife
	}
	for _, r := range is.records {
		if r.dirty {
			writes = append(writes, r.take(now))
		}
	}
	gone, is.gone = is.gone, nil
	return writes, gone
}

// take makes the form to be written.
func (r *record) take(now time.Time) write {
	if r.tally != nil {
		r.written, r.seen = r.tally.sum(), now
	}
	shown := r.shown()
	text, _ := json.Marshal(stored{Incident: shown, Seen: r.seen}) // strings, numbers, times: cannot fail
	w := write{r: r, text: text}
	if r.untold {
		w.over = &shown
	}
	r.dirty, r.untold = false, false
	return w
}
