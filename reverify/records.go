package reverify

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"captchagate/captcha"
)

// Buckets of the store.
const (
	entryBucket      = "reverify-entries"
	batchBucket      = "reverify-batches"
	refutedBucket    = "reverify-refuted"
	letThroughBucket = "reverify-spent"
)

// deleters is how many delete at once: their writes share the store's
// transactions.
const deleters = 8

// entryRecord is an entry in the store.
type entryRecord struct {
	Scene     string          `json:"scene"`
	Reference string          `json:"reference"`
	Incident  string          `json:"incident"`
	DecidedAt time.Time       `json:"decided_at"`
	Ticket    *captcha.Ticket `json:"ticket,omitempty"` // until asked: only as long as it is needed
	Attempted bool            `json:"attempted,omitempty"`
	Asking    bool            `json:"asking,omitempty"` // a question of ours began, and its end is not known
	Found     *finding        `json:"found,omitempty"`
	Counted   bool            `json:"counted,omitempty"` // in the tally of the queue that found it, which is not this one
}

// batchRecord is a batch in the store. Once acknowledged its body is gone and
// only its tally stays, until its day is over.
type batchRecord struct {
	Incident string          `json:"incident"`
	Tally    Tally           `json:"tally"`
	Until    time.Time       `json:"until"`
	Body     json.RawMessage `json:"body,omitempty"` // as it is sent
}

// records keeps entries and batches in a store, sealed.
type records struct {
	store Store
	keys  keyring
	log   *slog.Logger
}

// entry returns an entry; ok is false if its life is over or it is damaged.
func (r *records) entry(ctx context.Context, id string) (rec entryRecord, ok bool, err error) {
	ok, err = r.get(ctx, entryBucket, id, &rec)
	return rec, ok, err
}

// batch returns a batch; ok is false if its life is over or it is damaged.
func (r *records) batch(ctx context.Context, key string) (rec batchRecord, ok bool, err error) {
	ok, err = r.get(ctx, batchBucket, key, &rec)
	return rec, ok, err
}

func (r *records) get(ctx context.Context, bucket, key string, v any) (bool, error) {
	sealed, ok, err := r.store.Get(ctx, bucket, key)
	if err != nil || !ok {
		return false, err
	}
	if err := r.keys.unseal(bucket, key, sealed, v); err != nil {
		r.log.Error("a record of re-verification cannot be read; nothing will be reported of it", "error", err)
		return false, nil // trying again would not help, and hold up the others
	}
	return true, nil
}

func (r *records) putEntry(ctx context.Context, it *item, rec entryRecord) error {
	return r.put(ctx, entryBucket, it.id, rec, it.decidedAt.Add(retention))
}

func (r *records) putBatch(ctx context.Context, b *batch, rec batchRecord) error {
	return r.put(ctx, batchBucket, b.key, rec, b.until)
}

func (r *records) put(ctx context.Context, bucket, key string, v any, until time.Time) error {
	sealed, err := r.keys.seal(bucket, key, v)
	if err != nil {
		return err
	}
	return r.store.Put(ctx, bucket, key, sealed, max(time.Until(until), time.Second)) // 0 would be for ever
}

// deleteEntries returns those that are still there, with an error if there are any.
func (r *records) deleteEntries(ctx context.Context, ids []string) (left []string, err error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for part := range slices.Chunk(ids, max(1, (len(ids)+deleters-1)/deleters)) {
		wg.Go(func() {
			for _, id := range part {
				if failed := r.store.Delete(ctx, entryBucket, id); failed != nil {
					mu.Lock()
					left, err = append(left, id), failed
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return left, err
}
