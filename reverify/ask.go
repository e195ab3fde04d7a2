package reverify

import (
	"context"
	"encoding/hex"
	"sync"
	"time"

	"captchagate/captcha"
)

const (
	// askTimeout bounds one question.
	askTimeout = time.Second
	// atOnce is how many questions may be on their way together.
	atOnce = 4
	// After a failure nothing is asked for a second, and up to maxPause where
	// they go on; the ticket that met it waits longer, so that one on which the
	// API chokes does not hold up the others.
	minPause = time.Second
	maxPause = 15 * time.Second
	maxLater = time.Minute
)

// askAll asks about what waits, newest first: the oldest tickets are lost
// first anyway, and those who were let through last may still be stopped.
func (q *Queue) askAll(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	places := make(chan struct{}, atOnce)
	allowed, last := 0.0, time.Now()
	for ctx.Err() == nil {
		now := time.Now()
		q.giveUp(now)
		share := q.share()
		allowed = min(allowed+now.Sub(last).Seconds()*q.tempo.rate*share, 1)
		last = now
		if share > 0 && allowed >= 1 && len(places) < atOnce {
			if it := q.next(now); it != nil {
				allowed--
				places <- struct{}{}
				asking.Go(func() {
					// A question is not cut off: its ticket would be used up for nothing.
					q.ask(context.WithoutCancel(ctx), it)
					<-places
				})
			}
		}
		rest(ctx, q.untilNextLook(share))
	}
}

func (q *Queue) untilNextLook(share float64) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if share > 0 && q.line.waiting() > 0 {
		return q.tempo.step
	}
	return q.tempo.look
}

// share is the pace's, whatever it says within 0..1.
func (q *Queue) share() float64 {
	if s := q.pace.Share(); s > 0 {
		return min(s, 1)
	}
	return 0
}

// next takes the newest entry that may be asked about now; nil where none may.
func (q *Queue) next(now time.Time) *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ails.lasts(now) {
		return nil
	}
	return q.line.next(now)
}

// giveUp finds what the API knows nothing of any more.
func (q *Queue) giveUp(now time.Time) {
	q.mu.Lock()
	old := q.line.old(now)
	q.mu.Unlock()
	for _, it := range old {
		q.find(it, &finding{Result: Unverifiable, At: now})
	}
}

// ask asks about an entry once. That it does is in the store before: should
// the process die before the answer is there, a ticket that was used is no
// proof against its user.
func (q *Queue) ask(ctx context.Context, it *item) {
	rec, ok, err := q.read(ctx, it.id)
	if err != nil {
		q.again(it, "the store cannot be read", err)
		return
	}
	if !ok || rec.Ticket == nil {
		q.lose(it)
		return
	}
	doubt := rec.Attempted || rec.Asking
	if !rec.Asking {
		rec.Asking = true
		if err := q.write(ctx, it, rec); err != nil {
			q.again(it, "the store cannot be written", err)
			return
		}
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	verdict, err := q.verifier.Verify(asking, *rec.Ticket)
	if err != nil {
		q.failed(ctx, it, rec, doubt, captcha.AsFailure(err))
		return
	}
	q.answered(ctx, it, rec, judge(verdict, doubt))
}

// failed has an entry asked about again. Where the API did not take the ticket
// that is noted, or a later "used before" would prove nothing.
func (q *Queue) failed(ctx context.Context, it *item, rec record, doubt bool, f *captcha.Failure) {
	if !f.FateUnknown && !doubt {
		rec.Asking = false
		if err := q.write(ctx, it, rec); err != nil {
			q.log.Debug("an entry for re-verification keeps a doubt", "error", err)
		}
	}
	q.again(it, "the Captcha API could not tell", f)
}

// answered keeps a finding, and of the entry only what its report needs.
// Where that fails memory holds it until it is in a batch.
func (q *Queue) answered(ctx context.Context, it *item, rec record, f *finding) {
	if f.Result == Refuted {
		q.refute(ctx, *rec.Ticket)
	}
	q.spend(ctx, rec)
	rec.Ticket, rec.Found = nil, f
	if err := q.write(ctx, it, rec); err != nil {
		q.log.Warn("a finding of re-verification could not be kept yet", "error", err)
	}
	q.mu.Lock()
	q.ails = ailment{}
	q.mu.Unlock()
	q.find(it, f)
}

// spend keeps the name of a ticket that let somebody in, for as long as it
// could do so again: what else is known of it goes.
func (q *Queue) spend(ctx context.Context, rec record) {
	left := time.Until(rec.DecidedAt.Add(captcha.TicketLife))
	if left <= 0 {
		return
	}
	key := rec.Ticket.Key()
	if err := q.store.Put(ctx, spentBucket, hex.EncodeToString(key[:]), nil, left); err != nil {
		q.log.Warn("a ticket that let somebody in would be forgotten by a restart", "error", err)
	}
}

// find puts what was found about an entry on its pile.
func (q *Queue) find(it *item, f *finding) {
	q.found.WithLabelValues(string(f.Result)).Inc()
	q.mu.Lock()
	defer q.mu.Unlock()
	it.found = f
	q.pile(it)
	t := q.tally(it.incident)
	t.Waiting--
	t.count(f.Result, 1)
}

// lose forgets an entry that the store has no more: its day is over.
func (q *Queue) lose(it *item) {
	q.log.Error("an entry for re-verification is gone from the store before it could be reported")
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held--
	q.tally(it.incident).Waiting--
}

// again puts an entry back, to be asked about later.
func (q *Queue) again(it *item, what string, err error) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	it.tries++
	it.due = now.Add(doubled(2*time.Second, it.tries-1, maxLater))
	q.line.later = append(q.line.later, it)
	if q.ails.n == 0 {
		q.log.Warn("re-verification waits: "+what, "error", err)
	}
	q.ails.add(now)
}

// An ailment is failures without a success between, and how long to wait.
type ailment struct {
	n     int
	until time.Time
}

func (a *ailment) lasts(now time.Time) bool { return now.Before(a.until) }

func (a *ailment) add(now time.Time) {
	if a.lasts(now) {
		return // of questions that were on their way together
	}
	a.until = now.Add(doubled(minPause, a.n, maxPause))
	a.n++
}

// doubled is first, doubled n times, and at most the most.
func doubled(first time.Duration, n int, most time.Duration) time.Duration {
	for range n {
		if first *= 2; first >= most {
			return most
		}
	}
	return min(first, most)
}
