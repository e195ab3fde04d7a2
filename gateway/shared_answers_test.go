package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/fleet"
	"captchagate/gateway"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/simulator"
)

// A repeated request gets the first one's decision from every instance, and the other
// rules of the key hold on all: another of the backend's own fields is refused, another
// ticket is another question. Nothing of it is in clear in Redis (A6, A7, S4).
func TestFleet_RepeatsADecision(t *testing.T) {
	s := inStreet(t, 2, ofFleet)
	s.asksRedis()
	s.fairly(s.unheard, func(round int) {
		key, before := "key-in-clear-"+strconv.Itoa(round), s.unheard()
		f := s.houses[0].user("login", simulator.TicketValid)
		f["subject"], f["reference"] = "subject-in-clear", "reference-in-clear"
		first := s.houses[0].ask(f, "Idempotency-Key", key)
		s.until("Redis has it", func() bool { return strings.Contains(s.redis.Do("KEYS *answer:*"), "answer:") || s.unheard() > before })
		again := s.houses[1].ask(f, "Idempotency-Key", key)
		other := s.houses[1].user("login", simulator.TicketValid)
		another := s.houses[1].ask(other, "Idempotency-Key", key)
		other["user_ip"], other["subject"], other["reference"] = f["user_ip"], f["subject"], f["reference"]
		anew := s.houses[1].ask(other, "Idempotency-Key", key)
		if first.Replay || first.Reason != "verified" {
			t.Fatalf("the first: %+v", first)
		}
		s.findsNothing(f["ticket"].(string), key, "subject-in-clear", "reference-in-clear", first.ID)
		if s.unheard() > before {
			return
		}
		if !again.Replay || again.ID != first.ID || again.String() != first.String() || again.code() != first.code() || again.Attempts != 1 {
			t.Errorf("at the other: %+v, want %+v", again, first)
		}
		if another.Status != 409 {
			t.Errorf("another address under the key: %+v", another)
		}
		if anew.Replay || anew.Reason != "verified" || anew.ID == first.ID {
			t.Errorf("another ticket under the key: %+v", anew)
		}
	})
	s.redis.Kill()
	s.until("Redis is down", func() bool { return s.houses[0].status().Fleet.Redis == "down" })
	f := s.houses[0].user("login", simulator.TicketValid)
	first, again := s.houses[0].ask(f, "Idempotency-Key", "alone"), s.houses[0].ask(f, "Idempotency-Key", "alone")
	if first.Reason != "verified" || !again.Replay || again.ID != first.ID {
		t.Errorf("without Redis: %+v, then %+v", first, again)
	}
}

// fairly tries until no call was lost meanwhile: an answer of Redis that comes too late
// leaves an instance to itself.
func (s *street) fairly(lost func() int, try func(round int)) {
	s.Helper()
	for round, began := 0, time.Now(); time.Since(began) < patience; round++ {
		before := lost()
		if try(round); lost() == before {
			return
		}
	}
	s.Skip("on this machine Redis never answers in time: it is too busy for this test")
}

// unheard is how many questions about a key no request waited for to the end, on a busy
// machine.
func (s *street) unheard() int { return s.missed("claim", "answer") }

// missed is how many calls of Redis of some kinds failed or were not made.
func (s *street) missed(calls ...string) (n int) {
	for _, call := range calls {
		n += s.counted("failed_total", call) + s.counted("refused_total", call)
	}
	return n
}

// findsNothing looks for texts in all that Redis holds.
func (s *street) findsNothing(texts ...string) {
	s.Helper()
	for name := range strings.FieldsSeq(s.redis.Do("KEYS *")) {
		if !strings.Contains(name, "answer:") && !strings.Contains(name, "asked:") {
			continue
		}
		held := name + s.redis.Do("GET "+name)
		for _, text := range texts {
			if strings.Contains(held, text) {
				s.Errorf("%q is in Redis: %q", text, held)
			}
		}
	}
}

// Three instances in virtual time: who asks while another decides waits for its answer;
// if that one dies, no longer than a verification may take.
func TestSharedAnswers_WaitForWhoDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := fleet.NewMemory()
		var instances []*once.Questions[policy.Decision]
		for _, id := range []string{"a", "b", "c"} {
			others, err := gateway.OpenSharedAnswers(board, id, "secret", 2*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			instances = append(instances, once.NewQuestions(5*time.Minute, 100, others))
		}
		var decided atomic.Int32
		ask := func(i int, user string, takes time.Duration) (policy.Decision, bool, time.Duration) {
			began := time.Now()
			d, replayed, err := instances[i].Do(t.Context(), once.Question{Caller: "shop", Key: "k", Own: []byte("login"), OfUser: user}, func() policy.Decision {
				time.Sleep(takes)
				return policy.Decision{Action: policy.Deny, Reason: policy.ReasonRejected, ID: fmt.Sprint(user, decided.Add(1)), Why: "why", Challenge: map[string]int{"b": 1, "a": 2}}
			})
			if err != nil {
				t.Error(err)
			}
			return d, replayed, time.Since(began)
		}
		var wg sync.WaitGroup
		replays := atomic.Int32{}
		for i := range 30 {
			wg.Go(func() {
				d, replayed, took := ask(i%3, "slow", time.Second)
				body, _ := d.AppendJSON(nil)
				if d.ID != "slow1" || d.Why != "why" || !strings.Contains(string(body), `"challenge":{"a":2,"b":1}`) || took > time.Second+50*time.Millisecond {
					t.Errorf("instance %d: %s after %v", i%3, body, took)
				}
				if replayed {
					replays.Add(1)
				}
			})
		}
		wg.Wait()
		if replays.Load() != 29 {
			t.Errorf("%d of 30 are replays", replays.Load())
		}

		dead, _ := gateway.OpenSharedAnswers(board, "dead", "secret", 2*time.Second)
		if _, found, err := dead.Ask(t.Context(), once.Question{Caller: "shop", Key: "k", Own: []byte("login"), OfUser: "orphan"}); found || err != nil {
			t.Fatal(found, err)
		}
		if d, replayed, took := ask(1, "orphan", 0); d.ID != "orphan2" || replayed || took > 2*time.Second+50*time.Millisecond {
			t.Errorf("after a death: %+v, replayed %v, after %v", d, replayed, took)
		}
		time.Sleep(5 * time.Second) // the dead one's claim is over
		ask(2, "orphan", 0)
		if d, replayed, _ := ask(0, "orphan", 0); d.ID != "orphan3" || !replayed {
			t.Errorf("later: %+v, replayed %v", d, replayed)
		}
		stranger, _ := gateway.OpenSharedAnswers(board, "stranger", "another secret", 2*time.Second)
		if _, found, err := stranger.Ask(t.Context(), once.Question{Caller: "shop", Key: "k", Own: []byte("login"), OfUser: "slow"}); found || err != nil {
			t.Errorf("with another secret: %v %v", found, err)
		}
		if _, _, err := instances[0].Do(context.Background(), once.Question{Caller: "shop", Key: "k", Own: []byte("pay"), OfUser: "slow"}, nil); !errors.Is(err, once.ErrOtherBody) {
			t.Errorf("another own field: %v", err)
		}
	})
}

// A hoarder is a board in whose answers somebody has a hand, who knows no secret.
type hoarder struct {
	*fleet.Memory

	kept  []byte
	gives bool
}

func (h *hoarder) Answer(ctx context.Context, a fleet.Answer) error {
	h.kept = a.Text
	return h.Memory.Answer(ctx, a)
}

func (h *hoarder) Claim(ctx context.Context, c fleet.Claim) (fleet.Held, error) {
	if h.gives {
		return fleet.Held{Standing: fleet.Answered, Answer: h.kept}, nil
	}
	return h.Memory.Claim(ctx, c)
}

// An answer is over after its life, whatever somebody who can write to Redis keeps of it.
func TestSharedAnswers_AreOverWhoeverKeepsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := &hoarder{Memory: fleet.NewMemory()}
		a, err := gateway.OpenSharedAnswers(board, "a", "secret", 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		q := once.Question{Caller: "shop", Key: "k", Own: []byte("login")}
		a.Tell(q, policy.Decision{Action: policy.Allow, Reason: policy.ReasonVerified, ID: "first"})
		synctest.Wait()
		board.gives = true
		time.Sleep(4 * time.Minute)
		if d, found, _ := a.Ask(t.Context(), q); !found || d.ID != "first" {
			t.Errorf("within its life: %v %+v", found, d)
		}
		time.Sleep(2 * time.Minute)
		if d, found, _ := a.Ask(t.Context(), q); found {
			t.Errorf("after its life: %+v", d)
		}
	})
}
