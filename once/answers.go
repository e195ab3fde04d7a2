// Package once holds what may happen once: answers that a repeated request
// gets again, tickets that let somebody in, that the API refused or whose fate
// is unknown, and solutions that were spent.
//
// All of it is looked up in memory, bounded, and expires without a goroutine of
// its own. [LastingSet] and [Spent] keep theirs in a store besides, so that it
// outlives the process.
// Nothing keeps what a user or a backend sent in clear, only its SHA-256.
package once

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrOtherBody says that a caller used an idempotency key again for another
// request.
var ErrOtherBody = errors.New("the idempotency key was used before for another request; choose a new key for each")

// Answers gives the same answer to the same request: what an Idempotency-Key
// asks for. It is safe for concurrent use.
type Answers[T any] struct {
	life     time.Duration
	capacity int

	mu      sync.Mutex
	answers map[name]*answer[T]
	decided queue[decision[T]] // all have the same life: the oldest is the first
}

// A name is a caller and one of its keys, hashed.
type name [sha256.Size]byte

// An answer is given, or on its way. Its fields but body are written before
// done is closed and never after.
type answer[T any] struct {
	body  [sha256.Size]byte
	done  chan struct{}
	value T
	given bool      // false if decide panicked
	ends  time.Time // guarded by the Answers' mutex; zero while deciding
}

type decision[T any] struct {
	name   name
	answer *answer[T]
}

// NewAnswers returns Answers that keep an answer for life after it was decided,
// and at most that many answers; beyond that the oldest go early. Answers on
// their way are not counted.
func NewAnswers[T any](life time.Duration, capacity int) *Answers[T] {
	return &Answers[T]{life: life, capacity: max(capacity, 1), answers: make(map[name]*answer[T])}
}

// Do returns the answer to the request of this caller, key and body. If
// there is one, or another request is just deciding it, replayed is true;
// else decide is called, once. The same key with another body is ErrOtherBody.
//
// ctx bounds the waiting for another's decision, and its error is returned when
// it ends; it does not bound decide. Others may wait for what decide returns, so
// it should not give up because its own caller went away. If it panics, one of
// those who wait decides in its place.
func (a *Answers[T]) Do(ctx context.Context, caller, key string, body []byte, decide func() T) (value T, replayed bool, err error) {
	n, hash := nameOf(caller, key), sha256.Sum256(body)
	for {
		found, mine := a.find(n, hash)
		if mine {
			return a.decide(n, found, decide), false, nil
		}
		if found.body != hash {
			return value, false, ErrOtherBody
		}
		select {
		case <-found.done:
		case <-ctx.Done():
			return value, false, fmt.Errorf("waiting for the answer to the same request: %w", context.Cause(ctx))
		}
		if found.given {
			return found.value, true, nil
		}
	}
}

// Get returns an answer that was given and lives.
func (a *Answers[T]) Get(caller, key string) (value T, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.answers[nameOf(caller, key)]
	if !ok || found.ends.IsZero() || !time.Now().Before(found.ends) {
		return value, false
	}
	return found.value, true
}

// Forget drops an answer that was given.
func (a *Answers[T]) Forget(caller, key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := nameOf(caller, key)
	if found, ok := a.answers[n]; ok && !found.ends.IsZero() {
		delete(a.answers, n)
	}
}

// Len returns how many answers are in memory, those on their way included;
// some may have expired.
func (a *Answers[T]) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.answers)
}

// find returns the answer of that name; mine says that there was none and that
// the caller has to decide it.
func (a *Answers[T]) find(n name, body [sha256.Size]byte) (found *answer[T], mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.sweep(now)
	if found, ok := a.answers[n]; ok && (found.ends.IsZero() || now.Before(found.ends)) {
		return found, false
	}
	fresh := &answer[T]{body: body, done: make(chan struct{})}
	a.answers[n] = fresh
	return fresh, true
}

// decide lets the waiting go whatever decide does.
func (a *Answers[T]) decide(n name, fresh *answer[T], decide func() T) T {
	defer func() {
		a.keep(n, fresh)
		close(fresh.done)
	}()
	fresh.value = decide()
	fresh.given = true
	return fresh.value
}

func (a *Answers[T]) keep(n name, fresh *answer[T]) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !fresh.given {
		delete(a.answers, n)
		return
	}
	fresh.ends = time.Now().Add(a.life)
	a.decided.push(decision[T]{name: n, answer: fresh})
	for a.decided.len() > a.capacity {
		a.drop()
	}
}

// sweep removes a few expired answers, more than one request can add.
func (a *Answers[T]) sweep(now time.Time) {
	for range maxSwept {
		if a.decided.len() == 0 || now.Before(a.decided.at(a.decided.head).answer.ends) {
			return
		}
		a.drop()
	}
}

// drop removes the oldest answer, unless its name has a newer one.
func (a *Answers[T]) drop() {
	oldest := a.decided.pop()
	if a.answers[oldest.name] == oldest.answer {
		delete(a.answers, oldest.name)
	}
}

// nameOf hashes caller and key; the length keeps ("ab", "c") and ("a", "bc")
// apart.
func nameOf(caller, key string) name {
	text := binary.AppendUvarint(nil, uint64(len(caller)))
	return sha256.Sum256(append(append(text, caller...), key...))
}
