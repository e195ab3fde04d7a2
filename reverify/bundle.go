package reverify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

const (
	mostReports = 500       // in a batch
	mostBody    = 900 << 10 // bytes of a batch's reports: the store takes 1 MiB
)

// A batch is up to 500 reports of one incident that go out under one key.
type batch struct {
	key      string // names it in the store, and is its Idempotency-Key
	incident string
	n        int // reports
	until    time.Time
}

// An openBatch is a batch on its way into the store, with the entries that it
// stands for. It keeps its key and its reports whatever fails.
type openBatch struct {
	batch
	rec   batchRecord
	saved bool
	ids   []string // entries to delete
}

// bundle takes a pile that is full or has waited, and makes a batch of its
// first findings; nil where there is none, or the store cannot be read.
func (q *Queue) bundle(ctx context.Context) *openBatch {
	q.mu.Lock()
	incident, items := q.ripe(time.Now())
	q.mu.Unlock()
	if len(items) == 0 {
		return nil
	}
	b := &openBatch{batch: batch{key: newKey(), incident: incident}, rec: batchRecord{Incident: incident}}
	reports, gone, err := q.fill(ctx, b, items)
	if err != nil {
		q.log.Warn("findings cannot be reported yet", "error", err)
		return nil
	}
	q.unpile(incident, len(reports)+gone, gone)
	if len(reports) == 0 {
		return nil
	}
	slices.SortStableFunc(reports, func(x, y Report) int { return y.DecidedAt.Compare(x.DecidedAt) })
	body := Reports{Reports: reports}
	if incident != "" {
		body.IncidentID = &incident
	}
	b.n, b.rec.Until, b.rec.Body = len(reports), b.until, encode(body)
	return b
}

// fill makes reports of items, as many as fit into b, and counts those that
// are gone from the store because their day is over.
func (q *Queue) fill(ctx context.Context, b *openBatch, items []*item) (reports []Report, gone int, err error) {
	size := 0
	for _, it := range items {
		rec, ok, err := q.read(ctx, it.id)
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			gone++
			continue
		}
		r := rec.report(it.id, it.found)
		if size += len(encode(r)) + 1; size > mostBody && len(reports) > 0 {
			break
		}
		reports = append(reports, r)
		b.ids = append(b.ids, it.id)
		b.rec.Tally.count(it.found.Result, 1)
		if end := it.at.Add(life); end.After(b.until) {
			b.until = end
		}
	}
	return reports, gone, nil
}

// ripe returns a pile that is full or has waited, at most a batch of it; q.mu
// is held.
func (q *Queue) ripe(now time.Time) (incident string, items []*item) {
	for incident, p := range q.piles {
		if len(p.items) >= mostReports || now.Sub(p.since) >= q.tempo.flush {
			return incident, slices.Clone(p.items[:min(len(p.items), mostReports)])
		}
	}
	return "", nil
}

// unpile takes the first findings off a pile. Those that were gone from the
// store are in no batch.
func (q *Queue) unpile(incident string, taken, gone int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= gone
	p := q.piles[incident]
	if p.items = slices.Delete(p.items, 0, taken); len(p.items) == 0 {
		delete(q.piles, incident)
	}
}

// newKey names a batch: by time, so that the store lists them in their order.
func newKey() string {
	return fmt.Sprintf("%016x-%s", time.Now().UnixNano(), rand.Text())
}

func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // all fields are strings, numbers and times of our own
	}
	return text
}
