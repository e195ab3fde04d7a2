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
	weigh    func(T) int

	mu      sync.Mutex
	answers map[name]*answer[T]
	decided queue[*answer[T]] // all have the same life: the oldest is the first
	weight  int               // of all in decided
}

// A name is a caller and one of its keys, hashed.
type name [sha256.Size]byte

// An answer is given, or on its way. Its value and given are written before that ends and
// never after.
type answer[T any] struct {
	name  name
	body  [sha256.Size]byte
	value T
	given bool          // false if decide panicked
	done  chan struct{} // closed at the end of deciding; nil unless somebody waits; guarded by the Answers' mutex
	ends  time.Time     // zero while deciding; guarded likewise
}

// NewAnswers returns Answers that keep an answer for life after it was decided. weigh is
// how much of the capacity an answer takes, always the same and at least 1; if it is nil,
// each takes 1. Beyond the capacity the oldest go early, the last one apart. Answers on
// their way are not counted.
func NewAnswers[T any](life time.Duration, capacity int, weigh func(T) int) *Answers[T] {
	if weigh == nil {
		weigh = func(T) int { return 1 }
	}
	return &Answers[T]{life: life, capacity: capacity, weigh: weigh, answers: make(map[name]*answer[T])}
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
		found, done, mine := a.find(n, hash)
		if mine {
			return a.decide(found, decide), false, nil
		}
		if found.body != hash {
			return value, false, ErrOtherBody
		}
		if done != nil {
			select {
			case <-done:
			case <-ctx.Done():
				return value, false, fmt.Errorf("waiting for the answer to the same request: %w", context.Cause(ctx))
			}
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

// find returns the answer of that name, and until it is decided what is closed then;
// mine says that there was none and that the caller has to decide it.
func (a *Answers[T]) find(n name, body [sha256.Size]byte) (found *answer[T], done <-chan struct{}, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.sweep(now)
	found, ok := a.answers[n]
	switch {
	case ok && now.Before(found.ends):
		return found, nil, false
	case ok && found.ends.IsZero():
		if found.done == nil {
			found.done = make(chan struct{})
		}
		return found, found.done, false
	}
	found = &answer[T]{name: n, body: body}
	a.answers[n] = found
	return found, nil, true
}

// decide lets the waiting go whatever decide does.
func (a *Answers[T]) decide(fresh *answer[T], decide func() T) T {
	defer a.keep(fresh)
	fresh.value = decide()
	fresh.given = true
	return fresh.value
}

func (a *Answers[T]) keep(fresh *answer[T]) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if fresh.done != nil {
		close(fresh.done)
		fresh.done = nil
	}
	if !fresh.given {
		delete(a.answers, fresh.name)
		return
	}
	fresh.ends = time.Now().Add(a.life)
	a.decided.push(fresh)
	a.weight += a.weigh(fresh.value)
	for a.weight > a.capacity && a.decided.len() > 1 {
		a.drop()
	}
}

// sweep removes a few expired answers, more than one request can add.
func (a *Answers[T]) sweep(now time.Time) {
	for range maxSwept {
		if a.decided.len() == 0 || now.Before((*a.decided.at(a.decided.head)).ends) {
			return
		}
		a.drop()
	}
}

// drop removes the oldest answer, unless its name has a newer one.
func (a *Answers[T]) drop() {
	oldest := a.decided.pop()
	a.weight -= a.weigh(oldest.value)
	if a.answers[oldest.name] == oldest {
		delete(a.answers, oldest.name)
	}
}

// nameOf hashes caller and key; the length keeps ("ab", "c") and ("a", "bc")
// apart.
func nameOf(caller, key string) name {
	var room [256]byte // more than they usually take
	text := binary.AppendUvarint(room[:0], uint64(len(caller)))
	return sha256.Sum256(append(append(text, caller...), key...))
}
