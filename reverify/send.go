package reverify

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"captchagate/captcha"
	"captchagate/webhook"
)

// After a failure the webhook is left alone for this long, and twice as long
// after each further one.
const (
	minSendPause = time.Second
	maxSendPause = 5 * time.Minute
	// sendTimeout bounds one delivery, the answer's body included.
	sendTimeout = 5 * time.Second
)

// A sender sends batches to the webhook, one at a time. One that is refused
// goes behind the others, so that it does not hold them up for ever.
type sender struct {
	held     *atomic.Bool // nothing is sent meanwhile
	records  *records
	outbox   *outbox
	cfg      Config
	client   *webhook.Client
	timing   *timing
	trouble  func(kind string)
	failures int // since the last acknowledgement
}

func (s *sender) run(ctx context.Context) {
	defer s.client.Close()
	for ctx.Err() == nil {
		b := s.outbox.first()
		if b == nil || s.held.Load() {
			pause(ctx, s.timing.idle)
			continue
		}
		err := s.deliver(ctx, b)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			s.succeeded()
		default:
			s.outbox.moveToEnd(b)
			pause(ctx, s.failed(err))
		}
	}
}

func (s *sender) succeeded() {
	if s.failures > 0 {
		s.records.log.Info("the webhook acknowledges reports again", "about", "webhook")
	}
	s.failures = 0
}

// failed returns how long to pause, up to half as long again so that a fleet
// does not come back as one.
// Trouble of this host's own says nothing of the webhook and makes no pause
// longer.
func (s *sender) failed(err error) time.Duration {
	if kind, local := captcha.LocalTrouble(err); local {
		s.trouble(kind)
		return minSendPause
	}
	if s.failures == 0 {
		s.records.log.Warn("the webhook does not acknowledge reports; they are repeated", "about", "webhook", "error", err)
	}
	wait := doubled(minSendPause, s.failures, maxSendPause)
	s.failures++
	return min(wait+rand.N(wait/2), maxSendPause)
}

// deliver sends a batch, and once acknowledged keeps only its tally. If
// that cannot be written the batch goes out again, under the same key.
func (s *sender) deliver(ctx context.Context, b *batch) error {
	rec, ok, err := s.records.batch(ctx, b.key)
	if err != nil {
		return err
	}
	if !ok || rec.Body == nil {
		s.outbox.remove(b)
		return nil
	}
	if _, err := s.client.Post(ctx, s.cfg.Webhook, b.key, webhook.Sign(s.cfg.Secret, time.Now(), b.key, rec.Body), rec.Body); err != nil {
		return err
	}
	rec.Body = nil
	if err := s.records.putBatch(context.WithoutCancel(ctx), b, rec); err != nil {
		return fmt.Errorf("the webhook's acknowledgement could not be kept: %w", err)
	}
	s.outbox.remove(b)
	return nil
}

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
		if err := o.records.store.Delete(ctx, batchBucket, b.key); err != nil {
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

// Reports returns up to limit of the reports that nobody has acknowledged,
// newest first, together by incident. What was found in the last seconds may be
// missing. It is never nil.
func (q *Queue) Reports(ctx context.Context, limit int) ([]Reports, error) {
	return q.outbox.reports(ctx, limit)
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
