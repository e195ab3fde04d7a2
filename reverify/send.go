package reverify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// After a failure the webhook is left alone for this long, and twice as long
// after each further one.
const (
	minSendPause = time.Second
	maxSendPause = 5 * time.Minute
)

// A sender sends batches to the webhook, one at a time. One that is refused
// goes behind the others, so that it does not hold them up for ever.
type sender struct {
	records  *records
	outbox   *outbox
	webhook  *webhook
	timing   *timing
	failures int // since the last acknowledgement
}

func (s *sender) run(ctx context.Context) {
	defer s.webhook.client.CloseIdleConnections()
	for ctx.Err() == nil {
		b := s.outbox.first()
		if b == nil {
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
		s.records.log.Info("the webhook acknowledges reports again")
	}
	s.failures = 0
}

// failed returns how long to pause, up to half as long again so that a fleet
// does not come back as one.
func (s *sender) failed(err error) time.Duration {
	if s.failures == 0 {
		s.records.log.Warn("the webhook does not acknowledge reports; they are repeated", "error", err)
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
	if err := s.webhook.post(ctx, b.key, rec.Body); err != nil {
		return err
	}
	rec.Body = nil
	if err := s.records.putBatch(context.WithoutCancel(ctx), b, rec); err != nil {
		return fmt.Errorf("the webhook's acknowledgement could not be kept: %w", err)
	}
	s.outbox.remove(b)
	return nil
}
