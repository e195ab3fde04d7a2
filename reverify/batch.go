package reverify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	maxReports = 500       // in a batch
	maxBody    = 900 << 10 // bytes of a batch's reports: the store takes 1 MiB
	// maxOrphans bounds how many entries are remembered whose writing failed.
	maxOrphans = 10_000
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

// pending is findings about one incident that wait for a batch.
type pending struct {
	items []*item
	since time.Time
}

// ready reports whether it is time for a batch.
func (p *pending) ready(now time.Time, flush time.Duration) bool {
	return len(p.items) >= maxReports || now.Sub(p.since) >= flush
}

// A batcher makes batches of findings.
type batcher struct {
	records  *records
	capacity *capacity
	outbox   *outbox
	timing   *timing

	open  *openBatch // being made; of the loop alone
	named func(incident string) (name string, ok bool)

	mu      sync.Mutex
	pending map[string]*pending // by incident
	orphans []string            // may be in the store although Add failed
}

// add takes an item that something was found about.
func (b *batcher) add(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pending[it.incident]
	if p == nil {
		p = &pending{since: time.Now()}
		b.pending[it.incident] = p
	}
	p.items = append(p.items, it)
}

// gather makes batches of what was found, and clears away. What fails is tried
// again the next time.
func (q *Queue) gather(ctx context.Context) {
	for ctx.Err() == nil {
		q.refuted.save(ctx)
		q.batcher.deleteOrphans(ctx)
		q.outbox.expire(ctx)
		q.batcher.batchPending(ctx)
		pause(ctx, q.timing.idle)
	}
}

// batchPending makes batches of what is ready. What fails is tried again the
// next time.
func (b *batcher) batchPending(ctx context.Context) {
	for ctx.Err() == nil {
		if b.open == nil {
			b.open = b.next(ctx)
		}
		if b.open == nil || !b.finish(ctx, b.open) {
			return
		}
		b.open = nil
	}
}

// next makes a batch of the first findings of an incident; nil if none is
// ready, or the store cannot be read.
func (b *batcher) next(ctx context.Context) *openBatch {
	incident, items := b.ready(time.Now())
	if len(items) == 0 {
		return nil
	}
	open := &openBatch{batch: batch{key: newBatchKey(), incident: incident}, rec: batchRecord{Incident: incident}}
	reports, gone, err := b.fill(ctx, open, items)
	if err != nil {
		b.records.log.Warn("findings cannot be reported yet", "error", err)
		return nil
	}
	b.take(incident, len(reports)+gone)
	b.capacity.release(gone)
	if len(reports) == 0 {
		return nil
	}
	slices.SortStableFunc(reports, func(x, y Report) int { return y.DecidedAt.Compare(x.DecidedAt) })
	body := Reports{Reports: reports}
	if name, ok := b.named(incident); incident != "" && ok {
		body.IncidentID = &name
	}
	open.n, open.rec.Until, open.rec.Body = len(reports), open.until, encode(body)
	return open
}

// ready returns the findings of an incident that are ready, at most a batch.
func (b *batcher) ready(now time.Time) (incident string, items []*item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for incident, p := range b.pending {
		if p.ready(now, b.timing.flush) {
			return incident, slices.Clone(p.items[:min(len(p.items), maxReports)])
		}
	}
	return "", nil
}

// fill makes reports of items, as many as fit into a batch, and counts those
// that are gone from the store because their day is over.
func (b *batcher) fill(ctx context.Context, open *openBatch, items []*item) (reports []Report, gone int, err error) {
	size := 0
	for _, it := range items {
		rec, ok, err := b.records.entry(ctx, it.id)
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			gone++
			continue
		}
		r := rec.report(it.id, it.found)
		if size += len(encode(r)) + 1; size > maxBody && len(reports) > 0 {
			break
		}
		reports = append(reports, r)
		open.ids = append(open.ids, it.id)
		open.rec.Tally.add(it.tally())
		if end := it.decidedAt.Add(retention); end.After(open.until) {
			open.until = end
		}
	}
	return reports, gone, nil
}

func (r entryRecord) report(id string, f *finding) Report {
	return Report{
		DecisionID: id, Result: f.Result, Scene: r.Scene, Reference: r.Reference,
		CaptchaCode: f.Code, DecidedAt: r.DecidedAt.UTC(), ReverifiedAt: f.At.UTC(),
	}
}

// take removes the first n findings of an incident.
func (b *batcher) take(incident string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pending[incident]
	if p.items = slices.Delete(p.items, 0, n); len(p.items) == 0 {
		delete(b.pending, incident)
	}
}

// finish brings a batch into the store and its entries out of it, and hands it
// over for sending. It reports false if something is left to do.
func (b *batcher) finish(ctx context.Context, open *openBatch) bool {
	if !open.saved {
		if err := b.records.putBatch(ctx, &open.batch, open.rec); err != nil {
			b.records.log.Warn("reports of re-verification could not be kept yet", "error", err)
			return false
		}
		open.saved = true
	}
	var err error
	if open.ids, err = b.records.deleteEntries(ctx, open.ids); err != nil {
		b.records.log.Warn("reported entries could not be deleted yet", "error", err)
		return false
	}
	b.outbox.add(&open.batch)
	return true
}

// addOrphan has an entry deleted that may be in the store although Add failed.
func (b *batcher) addOrphan(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.orphans) < maxOrphans {
		b.orphans = append(b.orphans, id)
	}
}

func (b *batcher) deleteOrphans(ctx context.Context) {
	b.mu.Lock()
	orphans := b.orphans
	b.orphans = nil
	b.mu.Unlock()
	if len(orphans) == 0 {
		return
	}
	left, _ := b.records.deleteEntries(ctx, orphans)
	b.mu.Lock()
	b.orphans = append(b.orphans, left...)
	b.mu.Unlock()
}

// newBatchKey names a batch: by time, so that the store lists them in their order.
func newBatchKey() string {
	return fmt.Sprintf("%016x-%s", time.Now().UnixNano(), rand.Text())
}

func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // all fields are strings, numbers and times of our own
	}
	return text
}
