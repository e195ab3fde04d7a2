package reverify

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"captchagate/captcha"
)

// Buckets of the store.
const (
	entryBucket   = "reverify-entries"
	batchBucket   = "reverify-batches"
	refutedBucket = "reverify-refuted"
	spentBucket   = "reverify-spent"
)

// record is an entry in the store.
type record struct {
	Scene     string          `json:"scene"`
	Reference string          `json:"reference"`
	Incident  string          `json:"incident"`
	DecidedAt time.Time       `json:"decided_at"`
	Ticket    *captcha.Ticket `json:"ticket,omitempty"` // until asked: only as long as it is needed
	Attempted bool            `json:"attempted,omitempty"`
	Asking    bool            `json:"asking,omitempty"` // a question of ours began, and its end is not known
	Found     *finding        `json:"found,omitempty"`
}

func recordOf(e Entry) record {
	return record{
		Scene: e.Scene, Reference: e.Reference, Incident: e.Incident,
		DecidedAt: e.DecidedAt, Ticket: &e.Ticket, Attempted: e.Attempted,
	}
}

func (r record) report(id string, f *finding) Report {
	return Report{
		DecisionID: id, Result: f.Result, Scene: r.Scene, Reference: r.Reference,
		CaptchaCode: f.Code, DecidedAt: r.DecidedAt.UTC(), ReverifiedAt: f.At.UTC(),
	}
}

// batchRecord is a batch in the store. Once acknowledged its body is gone and
// only its tally stays, until its day is over.
type batchRecord struct {
	Incident string          `json:"incident"`
	Tally    Tally           `json:"tally"`
	Until    time.Time       `json:"until"`
	Body     json.RawMessage `json:"body,omitempty"` // as it is sent
}

func (q *Queue) write(ctx context.Context, it *item, rec record) error {
	return q.put(ctx, entryBucket, it.id, rec, it.at.Add(life))
}

func (q *Queue) put(ctx context.Context, bucket, key string, v any, until time.Time) error {
	sealed, err := q.sealer.seal(bucket, key, v)
	if err != nil {
		return err
	}
	return q.store.Put(ctx, bucket, key, sealed, max(time.Until(until), time.Second)) // 0 would be for ever
}

// read returns an entry's record; ok is false where its life is over or it is
// damaged.
func (q *Queue) read(ctx context.Context, id string) (rec record, ok bool, err error) {
	ok, err = q.get(ctx, entryBucket, id, &rec)
	return rec, ok, err
}

func (q *Queue) readBatch(ctx context.Context, key string) (rec batchRecord, ok bool, err error) {
	ok, err = q.get(ctx, batchBucket, key, &rec)
	return rec, ok, err
}

func (q *Queue) get(ctx context.Context, bucket, key string, v any) (bool, error) {
	sealed, ok, err := q.store.Get(ctx, bucket, key)
	if err != nil || !ok {
		return false, err
	}
	if err := q.sealer.unseal(bucket, key, sealed, v); err != nil {
		q.log.Error("a record of re-verification cannot be read; nothing will be reported of it", "error", err)
		return false, nil // trying again would not help, and hold up the others
	}
	return true, nil
}

// load takes up what the store holds. An entry whose report is in a batch
// already is deleted: the process died before it could be.
func (q *Queue) load(ctx context.Context) error {
	if err := q.loadRefuted(ctx); err != nil {
		return err
	}
	if err := q.loadSpent(ctx); err != nil {
		return err
	}
	reported, err := q.loadBatches(ctx)
	if err != nil {
		return err
	}
	records, err := q.store.List(ctx, entryBucket, 2*mostEntries)
	if err != nil {
		return err
	}
	unread := 0
	for id, sealed := range records {
		var rec record
		switch {
		case reported[id]:
			if err := q.store.Delete(ctx, entryBucket, id); err != nil {
				return err
			}
		case q.sealer.unseal(entryBucket, id, sealed, &rec) != nil:
			unread++
		default:
			q.takeUp(id, rec)
		}
	}
	if unread > 0 {
		q.log.Error("entries for re-verification cannot be read, and no report will come of them; was the store's sealing key lost?", "entries", unread)
	}
	return nil
}

// loadSpent reads which tickets let somebody in and were asked about since.
func (q *Queue) loadSpent(ctx context.Context) error {
	names, err := q.store.List(ctx, spentBucket, mostEntries)
	if err != nil {
		return err
	}
	for name := range names {
		if raw, err := hex.DecodeString(name); err == nil && len(raw) == len(captcha.Key{}) {
			q.before = append(q.before, captcha.Key(raw))
		}
	}
	return nil
}

// takeUp puts an entry of an earlier process where it was.
func (q *Queue) takeUp(id string, rec record) {
	it := &item{id: id, incident: rec.Incident, at: rec.DecidedAt, found: rec.Found}
	if now := time.Now(); it.at.After(now) {
		it.at = now // the clock was set back; it must not wait longer for that
	}
	q.held++
	if it.found != nil {
		q.pile(it)
		q.tally(it.incident).count(it.found.Result, 1)
		return
	}
	if rec.Ticket != nil {
		q.before = append(q.before, rec.Ticket.Key())
	}
	q.line.add(it)
	q.tally(it.incident).Waiting++
}

// loadBatches returns the ids of all decisions that are in a batch.
func (q *Queue) loadBatches(ctx context.Context) (reported map[string]bool, err error) {
	records, err := q.store.List(ctx, batchBucket, mostEntries)
	if err != nil {
		return nil, err
	}
	reported = map[string]bool{}
	unread := 0
	for key, sealed := range records { // the keys begin with their time
		var rec batchRecord
		if q.sealer.unseal(batchBucket, key, sealed, &rec) != nil {
			unread++
			continue
		}
		t := q.tally(rec.Incident)
		t.Confirmed += rec.Tally.Confirmed
		t.Refuted += rec.Tally.Refuted
		t.Unverifiable += rec.Tally.Unverifiable
		var body Reports
		if rec.Body == nil || json.Unmarshal(rec.Body, &body) != nil {
			continue
		}
		for _, r := range body.Reports {
			reported[r.DecisionID] = true
		}
		q.keep(&batch{key: key, incident: rec.Incident, n: len(body.Reports), until: rec.Until})
	}
	if unread > 0 {
		q.log.Error("reports of re-verification cannot be read and will not be sent; was the store's sealing key lost?", "batches", unread)
	}
	return reported, nil
}
