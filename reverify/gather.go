package reverify

import (
	"context"
	"slices"
	"sync"
	"time"
)

// deleters is how many delete at once: their writes share the store's
// transactions.
const deleters = 8

// A pile is findings about one incident that wait for a batch.
type pile struct {
	items []*item
	since time.Time
}

// pile puts an item on its incident's pile; q.mu is held.
func (q *Queue) pile(it *item) {
	p := q.piles[it.incident]
	if p == nil {
		p = &pile{since: time.Now()}
		q.piles[it.incident] = p
	}
	p.items = append(p.items, it)
}

func (q *Queue) gatherAll(ctx context.Context) {
	for ctx.Err() == nil {
		q.gather(ctx)
		rest(ctx, q.tempo.look)
	}
}

// gather makes batches of what is ready, and clears away. What fails is tried
// again the next time.
func (q *Queue) gather(ctx context.Context) {
	q.saveRefuted(ctx)
	q.dropStrays(ctx)
	q.dropOver(ctx)
	for ctx.Err() == nil {
		if q.open == nil {
			q.open = q.bundle(ctx)
		}
		if q.open == nil || !q.finish(ctx, q.open) {
			return
		}
		q.open = nil
	}
}

// finish brings b into the store and its entries out of it, and hands it over
// for sending. It reports false where something is left to do.
func (q *Queue) finish(ctx context.Context, b *openBatch) bool {
	if !b.saved {
		if err := q.put(ctx, batchBucket, b.key, b.rec, b.until); err != nil {
			q.log.Warn("reports of re-verification could not be kept yet", "error", err)
			return false
		}
		b.saved = true
	}
	var err error
	if b.ids, err = q.deleteEntries(ctx, b.ids); err != nil {
		q.log.Warn("reported entries could not be deleted yet", "error", err)
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= b.n // as entries
	q.keep(&b.batch)
	return true
}

// keep takes a batch among those whose reports are kept; q.mu is held.
func (q *Queue) keep(b *batch) {
	q.batches = append(q.batches, b)
	if q.cfg.Webhook != "" {
		q.held += b.n
	}
}

// deleteEntries returns those that are still there, with the first error.
func (q *Queue) deleteEntries(ctx context.Context, ids []string) (left []string, err error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for share := range slices.Chunk(ids, max(1, (len(ids)+deleters-1)/deleters)) {
		wg.Go(func() {
			for _, id := range share {
				if failed := q.store.Delete(ctx, entryBucket, id); failed != nil {
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

// dropStrays deletes entries whose Add failed.
func (q *Queue) dropStrays(ctx context.Context) {
	q.mu.Lock()
	strays := q.strays
	q.strays = nil
	q.mu.Unlock()
	if len(strays) == 0 {
		return
	}
	left, _ := q.deleteEntries(ctx, strays)
	q.mu.Lock()
	q.strays = append(q.strays, left...)
	q.mu.Unlock()
}

// dropOver forgets batches whose day is over, which the store clears away by
// itself, and the oldest ones where nobody is to be told and they are too many.
func (q *Queue) dropOver(ctx context.Context) {
	now := time.Now()
	var tooMany []*batch
	lost, kept := 0, 0
	q.mu.Lock()
	for _, b := range q.batches {
		kept += b.n
	}
	q.batches = slices.DeleteFunc(q.batches, func(b *batch) bool {
		over := !now.Before(b.until)
		many := q.cfg.Webhook == "" && kept > q.tempo.most
		switch {
		case over && q.cfg.Webhook != "":
			q.held -= b.n
			lost += b.n
		case over:
		case many:
			tooMany = append(tooMany, b)
		default:
			return false
		}
		kept -= b.n
		return true
	})
	q.mu.Unlock()
	if lost > 0 {
		q.log.Error("reports of re-verification were not acknowledged within a day and are gone; see to the webhook", "reports", lost)
	}
	for _, b := range tooMany {
		if err := q.store.Delete(ctx, batchBucket, b.key); err != nil {
			q.log.Warn("old reports could not be deleted; they go when their day is over", "error", err)
		}
	}
}
