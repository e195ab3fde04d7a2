package once_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/once"
)

// A blackboard is others that two processes are to each other.
type blackboard struct {
	mu      sync.Mutex
	owns    map[string]string // by key
	answers map[string]int
	away    bool
}

func newBlackboard() *blackboard {
	return &blackboard{owns: map[string]string{}, answers: map[string]int{}}
}

func (b *blackboard) Ask(_ context.Context, q once.Question) (answer int, found bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return 0, false, nil
	}
	if own, used := b.owns[q.Key]; used && own != string(q.Own) {
		return 0, false, once.ErrOtherBody
	}
	b.owns[q.Key] = string(q.Own)
	answer, found = b.answers[q.Key+q.OfUser]
	return answer, found, nil
}

func (b *blackboard) Tell(q once.Question, answer int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.away {
		b.answers[q.Key+q.OfUser] = answer
	}
}

func (b *blackboard) is(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

// A6, A7: whichever process is asked the same question gives the same answer. Another own
// field under the key is a mistake everywhere, another ticket a new question everywhere;
// and who makes the mistake takes the key from nobody.
func TestQuestions_AreAnsweredAlikeByAllProcesses(t *testing.T) {
	for name, other := range map[string]bool{"one process": false, "two": true} {
		t.Run(name, func(t *testing.T) {
			board, next := newBlackboard(), numbers()
			one := once.NewQuestions[int](time.Minute, 10, board)
			two := one
			if other {
				two = once.NewQuestions[int](time.Minute, 10, board)
			}
			for i, s := range []struct {
				at       *once.Questions[int]
				own, of  string
				want     int
				replayed bool
				err      error
			}{
				{one, "login", "ticket 1", 1, false, nil},
				{two, "pay", "ticket 1", 0, false, once.ErrOtherBody},
				{two, "login", "ticket 1", 1, true, nil},
				{two, "login", "ticket 2", 2, false, nil},
				{one, "login", "ticket 2", 2, true, nil},
				{one, "pay", "ticket 2", 0, false, once.ErrOtherBody},
				{one, "login", "ticket 1", 1, true, nil},
				{two, "pay", "ticket 3", 0, false, once.ErrOtherBody},
				{one, "login", "ticket 3", 3, false, nil},
			} {
				got, replayed, err := s.at.Do(t.Context(), once.Question{Caller: "shop", Key: "k", Own: []byte(s.own), OfUser: s.of}, next)
				if got != s.want || replayed != s.replayed || !errors.Is(err, s.err) {
					t.Errorf("step %d: %d, %v, %v, want %d, %v, %v", i, got, replayed, err, s.want, s.replayed, s.err)
				}
			}
		})
	}
}

// Where the others cannot be asked a process goes by what it knows itself.
func TestQuestions_GoOnAlone(t *testing.T) {
	board, next := newBlackboard(), numbers()
	one, two := once.NewQuestions[int](time.Minute, 10, board), once.NewQuestions[int](time.Minute, 10, board)
	board.is(true)
	do := func(at *once.Questions[int], own string) (int, bool, error) {
		return at.Do(t.Context(), once.Question{Key: "k", Own: []byte(own)}, next)
	}
	if got, replayed, err := do(one, "login"); got != 1 || replayed || err != nil {
		t.Errorf("the first: %d %v %v", got, replayed, err)
	}
	if got, replayed, err := do(two, "login"); got != 2 || replayed || err != nil {
		t.Errorf("at another: %d %v %v", got, replayed, err)
	}
	if got, replayed, err := do(one, "login"); got != 1 || !replayed || err != nil {
		t.Errorf("again: %d %v %v", got, replayed, err)
	}
	if _, _, err := do(one, "pay"); !errors.Is(err, once.ErrOtherBody) {
		t.Errorf("another request: %v", err)
	}
}

// What others answered is theirs to forget: it lives no longer here than there.
func TestQuestions_KeepNoAnswerOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, next := newBlackboard(), numbers()
		one, two := once.NewQuestions[int](5*time.Minute, 10, board), once.NewQuestions[int](5*time.Minute, 10, board)
		q := once.Question{Key: "k", Own: []byte("login")}
		_, _, _ = one.Do(t.Context(), q, next)
		time.Sleep(4 * time.Minute)
		if got, replayed, _ := two.Do(t.Context(), q, next); got != 1 || !replayed {
			t.Errorf("after four minutes: %d %v", got, replayed)
		}
		time.Sleep(2 * time.Minute)
		delete(board.answers, "k") // its five minutes are over
		if got, replayed, _ := two.Do(t.Context(), q, next); got != 2 || replayed {
			t.Errorf("after six: %d %v", got, replayed)
		}
	})
}
