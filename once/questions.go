package once

import (
	"context"
	"crypto/sha256"
	"time"
)

// A Question is what a caller asks under an idempotency key.
type Question struct {
	Caller, Key string
	Own         []byte // what the caller itself asks: the same key with another is ErrOtherBody
	OfUser      string // what it hands on of its user's: another is another question
}

// Others are other processes of which the same may be asked.
type Others[T any] interface {
	// Ask returns the answer that another process gave to q, or waits for the one that
	// it is about to give. found is false if this process is to decide, also where
	// nobody could be asked. Its only error is ErrOtherBody.
	Ask(ctx context.Context, q Question) (answer T, found bool, err error)
	// Tell has them learn what was decided here. Nobody waits for it.
	Tell(q Question, answer T)
}

// Questions gives the same answer to the same question, whichever process is asked. It
// is safe for concurrent use.
type Questions[T any] struct {
	firsts  *Answers[[sha256.Size]byte] // what each key was first used for
	answers *Answers[reply[T]]
	others  Others[T]
}

type reply[T any] struct {
	answer T
	found  bool // another process decided it
	other  bool // the key was first used for another request
}

// NewQuestions returns Questions that remember an answer, and what a key was first used
// for, for life, and at most that many of each. others may be nil.
func NewQuestions[T any](life time.Duration, capacity int, others Others[T]) *Questions[T] {
	return &Questions[T]{
		firsts: NewAnswers[[sha256.Size]byte](life, capacity, nil), answers: NewAnswers[reply[T]](life, capacity, nil), others: others,
	}
}

// Do returns the answer to q: an earlier one, or one that is just being decided here or
// by others, and then replayed is true; else what decide returns. See Answers.Do.
func (qs *Questions[T]) Do(ctx context.Context, q Question, decide func() T) (answer T, replayed bool, err error) {
	own := sha256.Sum256(q.Own)
	if first, known := qs.firsts.Get(q.Caller, q.Key); known && first != own {
		return answer, false, ErrOtherBody
	}
	r, replayed, err := qs.answers.Do(ctx, q.Caller, q.Key+"\n"+q.OfUser, q.Own, func() reply[T] {
		return qs.decide(context.WithoutCancel(ctx), q, own, decide)
	})
	if !replayed && (r.found || r.other) { // they know for how long
		qs.answers.Forget(q.Caller, q.Key+"\n"+q.OfUser)
	}
	if err == nil && r.other {
		err = ErrOtherBody
	}
	return r.answer, replayed || r.found, err
}

// decide asks the others first. What a key was first used for is not known before.
func (qs *Questions[T]) decide(ctx context.Context, q Question, own [sha256.Size]byte, decide func() T) (r reply[T]) {
	if qs.others != nil {
		var err error
		if r.answer, r.found, err = qs.others.Ask(ctx, q); err != nil || r.found {
			return reply[T]{answer: r.answer, found: r.found, other: err != nil}
		}
	}
	first, _, err := qs.firsts.Do(ctx, q.Caller, q.Key, nil, func() [sha256.Size]byte { return own })
	if err != nil || first != own {
		return reply[T]{other: true}
	}
	r.answer = decide()
	if qs.others != nil {
		qs.others.Tell(q, r.answer)
	}
	return r
}
