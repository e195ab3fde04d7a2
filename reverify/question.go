package reverify

import (
	"context"
	"encoding/hex"
	"time"

	"captchagate/captcha"
)

// askTimeout bounds one question.
const askTimeout = time.Second

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
	a.keepLetThrough(ctx, rec)
	rec.Ticket, rec.Found = nil, f
	if err := a.records.putEntry(ctx, it, rec); err != nil {
		a.records.log.Warn("a finding of re-verification could not be kept yet", "error", err)
	}
	a.mu.Lock()
	a.backoff = backoff{}
	a.mu.Unlock()
	a.found(it, f)
}

// keepLetThrough keeps the name of a ticket that let somebody in, for as long as
// it could do so again: what else is known of it goes.
func (a *asker) keepLetThrough(ctx context.Context, rec entryRecord) {
	left := time.Until(rec.DecidedAt.Add(captcha.TicketLife))
	if left <= 0 {
		return
	}
	key := rec.Ticket.Key()
	if err := a.records.store.Put(ctx, letThroughBucket, hex.EncodeToString(key[:]), nil, left); err != nil {
		a.records.log.Warn("a ticket that let somebody in would be forgotten by a restart", "error", err)
	}
}

func (a *asker) found(it *item, f *finding) {
	it.found = f
	a.batcher.add(it)
	a.tallies.found(it.incident, f.Result)
}

// drop forgets an entry that the store has no more: its day is over, or another queue has
// adopted it.
func (a *asker) drop(it *item) {
	a.records.log.Warn("an entry for re-verification is gone from the store before it could be reported, unless another instance goes on with it")
	a.capacity.release(1)
	a.tallies.waiting(it.incident, -1)
}

// findingOf turns the API's answer into a finding. MayBeUsed says that an
// attempt of our own may have used the ticket up.
func findingOf(v captcha.Verdict, mayBeUsed bool) *finding {
	f := &finding{Result: Refuted, At: time.Now()}
	if v.Answer != nil {
		f.Code = &v.Answer.Code
	}
	switch {
	case v.Outcome == captcha.Passed:
		f.Result = Confirmed
	case v.Outcome == captcha.Malicious || f.Code == nil:
	case *f.Code == captcha.CodeExpired, captcha.Reused(*f.Code) && mayBeUsed:
		f.Result = Unverifiable
	}
	return f
}
