package reverify

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// Shared are the buckets whose records another queue with the same key can adopt if this
// one's process dies: those of batches first, which stand for entries.
var Shared = []string{batchBucket, entryBucket}

// Portable is a record of the store as a queue that has the first key alone can adopt it;
// ok is false where it cannot be read here either.
func (q *Queue) Portable(bucket, key string, sealed []byte) (_ []byte, ok bool) {
	ring := q.records.keys
	by, plain, err := ring.open(bucket, key, sealed)
	if err != nil || by == ring[0] {
		return sealed, err == nil
	}
	return ring[0].seal(bucket, key, plain), true
}

// Hold stops asking and sending, or has it go on: another queue may be adopting what
// this one holds. What is on its way goes on.
func (q *Queue) Hold(held bool) { q.held.Store(held) }

// Adopt goes on with a record of another queue, unless it is here already. A ticket may
// have been asked about by that one: that it was used proves nothing. What that one found
// is in its tally, and not in this one's. An error means that it could not be kept; then it
// must be given again.
func (q *Queue) Adopt(ctx context.Context, bucket, key string, sealed []byte) error {
	switch bucket {
	case batchBucket:
		return q.adoptBatch(ctx, key, sealed)
	case entryBucket:
		return q.adoptEntry(ctx, key, sealed)
	}
	return nil // of a later version
}

func (q *Queue) adoptBatch(ctx context.Context, key string, sealed []byte) error {
	_, known, err := q.records.batch(ctx, key)
	var rec batchRecord
	if err != nil || known || !q.unseal(batchBucket, key, sealed, &rec) || !time.Now().Before(rec.Until) {
		return err
	}
	rec.Tally = Tally{}
	b := &batch{key: key, incident: rec.Incident, until: rec.Until}
	var body Reports
	if rec.Body != nil && json.Unmarshal(rec.Body, &body) == nil {
		b.n = len(body.Reports)
	}
	if err := q.records.putBatch(ctx, b, rec); err != nil {
		return err
	}
	for _, r := range body.Reports {
		q.adopted.add(r.DecisionID)
	}
	if b.n > 0 {
		q.capacity.take(b.n)
		q.outbox.add(b)
	}
	return nil
}

func (q *Queue) adoptEntry(ctx context.Context, id string, sealed []byte) error {
	_, known, err := q.records.entry(ctx, id)
	var rec entryRecord
	if err != nil || known || q.adopted.has(id) || !q.unseal(entryBucket, id, sealed, &rec) || time.Since(rec.DecidedAt) >= retention {
		return err
	}
	rec.Attempted, rec.Counted = true, rec.Found != nil
	if err := q.records.putEntry(ctx, &item{id: id, decidedAt: rec.DecidedAt}, rec); err != nil {
		return err
	}
	q.adopted.add(id)
	q.takeUp(id, rec)
	return nil
}

func (q *Queue) unseal(bucket, key string, sealed []byte, rec any) bool {
	err := q.records.keys.unseal(bucket, key, sealed, rec)
	if err != nil {
		q.log.Error("a record that another instance left cannot be read; nothing will be reported of it", "error", err)
	}
	return err == nil
}

// Forget drops a record that another queue has adopted.
func (q *Queue) Forget(ctx context.Context, bucket, key string) error {
	return q.records.store.Delete(ctx, bucket, key) // what memory holds of it goes when its turn comes
}

// adopted are decisions of other queues that this one has, or had.
type adopted struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (a *adopted) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids == nil || len(a.ids) >= maxEntries {
		a.ids = map[string]bool{}
	}
	a.ids[id] = true
}

func (a *adopted) has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ids[id]
}

// Place is where a record stands: its bucket and key in one name.
func Place(bucket, key string) string { return bucket + "/" + key }

// PlaceOf takes a place apart.
func PlaceOf(place string) (bucket, key string) {
	bucket, key, _ = strings.Cut(place, "/")
	return bucket, key
}
