package reverify

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"captchagate/captcha"
)

// restore goes on with what an earlier process left in the store.
func (q *Queue) restore(ctx context.Context) error {
	if err := q.restoreRefuted(ctx); err != nil {
		return err
	}
	if err := q.restoreLetThrough(ctx); err != nil {
		return err
	}
	reported, err := q.restoreBatches(ctx)
	if err != nil {
		return err
	}
	return q.restoreEntries(ctx, reported)
}

func (q *Queue) restoreRefuted(ctx context.Context) error {
	found, err := q.records.store.List(ctx, refutedBucket, 4*maxEntries)
	if err != nil {
		return err
	}
	for name, value := range found {
		raw, err := hex.DecodeString(name)
		until, wrong := strconv.ParseInt(string(value), 10, 64)
		if err == nil && wrong == nil && len(raw) == len(pseudonym{}) {
			q.refuted.until[pseudonym(raw)] = time.Unix(until, 0)
		}
	}
	return nil
}

// restoreLetThrough reads which tickets let somebody in and were asked about
// since.
func (q *Queue) restoreLetThrough(ctx context.Context) error {
	names, err := q.records.store.List(ctx, letThroughBucket, maxEntries)
	if err != nil {
		return err
	}
	for name := range names {
		if raw, err := hex.DecodeString(name); err == nil && len(raw) == len(captcha.Key{}) {
			q.letThrough = append(q.letThrough, captcha.Key(raw))
		}
	}
	return nil
}

// restoreBatches returns the ids of all decisions that are in a batch.
func (q *Queue) restoreBatches(ctx context.Context) (reported map[string]bool, err error) {
	found, err := q.records.store.List(ctx, batchBucket, maxEntries)
	if err != nil {
		return nil, err
	}
	reported = map[string]bool{}
	unread := 0
	for key, sealed := range found { // the keys begin with their time
		var rec batchRecord
		if q.records.keys.unseal(batchBucket, key, sealed, &rec) != nil {
			unread++
			continue
		}
		q.tallies.restore(rec.Incident, rec.Tally)
		var body Reports
		if rec.Body == nil || json.Unmarshal(rec.Body, &body) != nil {
			continue
		}
		for _, r := range body.Reports {
			reported[r.DecisionID] = true
		}
		q.capacity.take(len(body.Reports))
		q.outbox.add(&batch{key: key, incident: rec.Incident, n: len(body.Reports), until: rec.Until})
	}
	if unread > 0 {
		q.log.Error("reports of re-verification cannot be read and will not be sent; was the store's sealing key lost?", "batches", unread)
	}
	return reported, nil
}

// restoreEntries goes on with the entries. One whose report is in a batch
// already is deleted: the process died before it could be.
func (q *Queue) restoreEntries(ctx context.Context, reported map[string]bool) error {
	found, err := q.records.store.List(ctx, entryBucket, 2*maxEntries)
	if err != nil {
		return err
	}
	unread := 0
	for id, sealed := range found {
		var rec entryRecord
		switch {
		case reported[id]:
			if err := q.records.store.Delete(ctx, entryBucket, id); err != nil {
				return err
			}
		case q.records.keys.unseal(entryBucket, id, sealed, &rec) != nil:
			unread++
		default:
			q.restoreEntry(id, rec)
		}
	}
	if unread > 0 {
		q.log.Error("entries for re-verification cannot be read, and no report will come of them; was the store's sealing key lost?", "entries", unread)
	}
	return nil
}

// restoreEntry puts an entry back where it was.
func (q *Queue) restoreEntry(id string, rec entryRecord) {
	if rec.Found == nil && rec.Ticket != nil {
		q.letThrough = append(q.letThrough, rec.Ticket.Key())
	}
	q.takeUp(id, rec)
}

// takeUp goes on with an entry that is in the store.
func (q *Queue) takeUp(id string, rec entryRecord) {
	it := &item{id: id, incident: rec.Incident, decidedAt: rec.DecidedAt, found: rec.Found, counted: rec.Counted}
	if now := time.Now(); it.decidedAt.After(now) {
		it.decidedAt = now // the clock was set back; it must not wait longer for that
	}
	q.capacity.take(1)
	if it.found != nil {
		q.batcher.add(it)
		q.tallies.restore(it.incident, it.tally())
		return
	}
	q.tallies.waiting(it.incident, 1)
	q.asker.add(it)
}
