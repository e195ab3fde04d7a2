package reverify

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// An outbox holds the batches whose reports are kept, oldest first: until the
// webhook has acknowledged them, or their day is over.
type outbox struct {
	records  *records
	capacity *capacity
	delivers bool // there is a webhook: reports that it did not acknowledge take up capacity

	mu      sync.Mutex
	batches []*batch
}

// add takes a batch, and the capacity that its entries took up.
func (o *outbox) add(b *batch) {
	o.mu.Lock()
	o.batches = append(o.batches, b)
	o.mu.Unlock()
	if !o.delivers {
		o.capacity.release(b.n)
	}
}

// first is the batch to send now; nil if there is none.
func (o *outbox) first() *batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.batches) == 0 {
		return nil
	}
	return o.batches[0]
}

// remove forgets a batch that was acknowledged.
func (o *outbox) remove(b *batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.batches, b); i >= 0 {
		o.batches = slices.Delete(o.batches, i, i+1)
		o.capacity.release(b.n)
	}
}

// moveToEnd has the other batches sent before b.
func (o *outbox) moveToEnd(b *batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.batches, b); i >= 0 {
		o.batches = append(slices.Delete(o.batches, i, i+1), b)
	}
}

// expire forgets batches whose day is over, which the store clears away by
// itself, and the oldest ones if nobody is to be told and they are too many.
func (o *outbox) expire(ctx context.Context) {
	expired, surplus := o.takeExpired(time.Now())
	if o.delivers && expired > 0 {
		o.capacity.release(expired)
		o.records.log.Error("reports of re-verification were not acknowledged within a day and are gone; see to the webhook", "reports", expired)
	}
	for _, b := range surplus {
		if err := o.records.deleteBatch(ctx, b.key); err != nil {
			o.records.log.Warn("old reports could not be deleted; they go when their day is over", "error", err)
		}
	}
}

// takeExpired takes out what expire forgets, and counts the reports whose day
// is over.
func (o *outbox) takeExpired(now time.Time) (expired int, surplus []*batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := 0
	for _, b := range o.batches {
		kept += b.n
	}
	o.batches = slices.DeleteFunc(o.batches, func(b *batch) bool {
		switch {
		case !now.Before(b.until):
			expired += b.n
		case !o.delivers && o.capacity.exceededBy(kept):
			surplus = append(surplus, b)
		default:
			return false
		}
		kept -= b.n
		return true
	})
	return expired, surplus
}

// newest lists the batches by the time of their making, newest first.
func (o *outbox) newest() []batch {
	o.mu.Lock()
	batches := make([]batch, 0, len(o.batches))
	for _, b := range o.batches {
		batches = append(batches, *b)
	}
	o.mu.Unlock()
	slices.SortFunc(batches, func(a, b batch) int { return strings.Compare(b.key, a.key) }) // keys begin with their time
	return batches
}

func (o *outbox) reports(ctx context.Context, limit int) ([]Reports, error) {
	all := []Reports{}
	index := map[string]int{} // of an incident in all
	for _, b := range o.newest() {
		if limit <= 0 {
			break
		}
		rec, ok, err := o.records.batch(ctx, b.key)
		if err != nil {
			return nil, err
		}
		var some Reports
		if !ok || json.Unmarshal(rec.Body, &some) != nil {
			continue // acknowledged, or its life is over, since
		}
		some.Reports = some.Reports[:min(limit, len(some.Reports))]
		limit -= len(some.Reports)
		i, known := index[rec.Incident]
		if !known {
			index[rec.Incident] = len(all)
			all = append(all, some)
			continue
		}
		all[i].Reports = append(all[i].Reports, some.Reports...)
	}
	return all, nil
}
