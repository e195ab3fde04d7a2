package reverify

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"captchagate/captcha"
)

const (
	// askTimeout bounds one question.
	askTimeout = time.Second
	// maxAsking is how many questions may be on their way together.
	maxAsking = 4
	// After a failure nothing is asked for a second, and up to maxPause if they
	// go on; the ticket that met it waits longer, so that one on which the API
	// chokes does not hold up the others.
	minPause = time.Second
	maxPause = 15 * time.Second
	minRetry = 2 * time.Second
	maxRetry = time.Minute
)

// An asker asks about its backlog, newest first: the oldest tickets are lost
// first anyway, and those who were let through last may still be stopped.
type asker struct {
	verifier captcha.Verifier
	ramp     Ramp
	records  *records
	refuted  *refuted
	tallies  *tallies
	batcher  *batcher
	capacity *capacity
	timing   *timing

	mu      sync.Mutex
	backlog backlog
	backoff backoff
}

func (a *asker) add(it *item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.backlog.add(it)
}

func (a *asker) run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	free := make(chan struct{}, maxAsking)
	tokens := rate.NewLimiter(0, 1)
	for ctx.Err() == nil {
		now := time.Now()
		a.expire(now)
		share := a.share()
		tokens.SetLimitAt(now, a.timing.askRate*rate.Limit(share))
		if share > 0 && tokens.TokensAt(now) >= 1 && len(free) < maxAsking {
			if it := a.next(now); it != nil {
				tokens.AllowN(now, 1)
				free <- struct{}{}
				asking.Go(func() {
					// A question is not cut off: its ticket would be used up for nothing.
					a.ask(context.WithoutCancel(ctx), it)
					<-free
				})
			}
		}
		pause(ctx, a.untilNextLook(share))
	}
}

func (a *asker) untilNextLook(share float64) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if share > 0 && a.backlog.len() > 0 {
		return a.timing.askEvery
	}
	return a.timing.idle
}

// share is the ramp's, whatever it says within 0..1.
func (a *asker) share() float64 {
	if s := a.ramp.Share(); s > 0 {
		return min(s, 1)
	}
	return 0
}

// next takes the newest entry that may be asked about now; nil if none may.
func (a *asker) next(now time.Time) *item {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.backoff.lasts(now) {
		return nil
	}
	return a.backlog.takeNewest(now)
}

// expire gives up what the API knows nothing of any more.
func (a *asker) expire(now time.Time) {
	a.mu.Lock()
	expired := a.backlog.takeExpired(now)
	a.mu.Unlock()
	for _, it := range expired {
		a.found(it, &finding{Result: Unverifiable, At: now})
	}
}

// ask asks about an entry once. That it does is in the store before: should
// the process die before the answer is there, a ticket that was used is no
// proof against its user.
func (a *asker) ask(ctx context.Context, it *item) {
	rec, ok, err := a.records.entry(ctx, it.id)
	if err != nil {
		a.retryLater(it, "the store cannot be read", err)
		return
	}
	if !ok || rec.Ticket == nil {
		a.drop(it)
		return
	}
	mayBeUsed := rec.Attempted || rec.Asking
	if !rec.Asking {
		rec.Asking = true
		if err := a.records.putEntry(ctx, it, rec); err != nil {
			a.retryLater(it, "the store cannot be written", err)
			return
		}
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	verdict, err := a.verifier.Verify(asking, *rec.Ticket)
	if err != nil {
		a.failed(ctx, it, rec, mayBeUsed, captcha.AsFailure(err))
		return
	}
	a.answered(ctx, it, rec, findingOf(verdict, mayBeUsed))
}

// failed has an entry asked about again. If the API did not take the ticket
// that is noted, or a later "used before" would prove nothing.
func (a *asker) failed(ctx context.Context, it *item, rec entryRecord, mayBeUsed bool, f *captcha.Failure) {
	if !f.FateUnknown && !mayBeUsed {
		rec.Asking = false
		if err := a.records.putEntry(ctx, it, rec); err != nil {
			a.records.log.Debug("an entry for re-verification keeps a doubt", "error", err)
		}
	}
	a.retryLater(it, "the Captcha API could not tell", f)
}

// answered keeps a finding, and of the entry only what its report needs. If
// that fails memory holds it until it is in a batch.
func (a *asker) answered(ctx context.Context, it *item, rec entryRecord, f *finding) {
	if f.Result == Refuted { // before the finding: whoever reads the report finds the user refuted
		a.refuted.add(ctx, *rec.Ticket)
	}
	if err := a.records.putLetThrough(ctx, rec); err != nil {
		a.records.log.Warn("a ticket that let somebody in would be forgotten by a restart", "error", err)
	}
	rec.Ticket, rec.Found = nil, f
	if err := a.records.putEntry(ctx, it, rec); err != nil {
		a.records.log.Warn("a finding of re-verification could not be kept yet", "error", err)
	}
	a.mu.Lock()
	a.backoff = backoff{}
	a.mu.Unlock()
	a.found(it, f)
}

func (a *asker) found(it *item, f *finding) {
	it.found = f
	a.batcher.add(it)
	a.tallies.found(it.incident, f.Result)
}

// drop forgets an entry that the store has no more: its day is over.
func (a *asker) drop(it *item) {
	a.records.log.Error("an entry for re-verification is gone from the store before it could be reported")
	a.capacity.release(1)
	a.tallies.waiting(it.incident, -1)
}

// retryLater puts an entry back, to be asked about later.
func (a *asker) retryLater(it *item, what string, err error) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	it.retryAt = now.Add(doubled(minRetry, it.failures, maxRetry))
	it.failures++
	a.backlog.addRetry(it)
	if a.backoff.failures == 0 {
		a.records.log.Warn("re-verification waits: "+what, "error", err)
	}
	a.backoff.fail(now, minPause, maxPause)
}
