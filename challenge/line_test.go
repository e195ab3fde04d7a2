package challenge_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/challenge"
)

// A purse is a payer with so many tokens.
type purse struct {
	network string
	mu      sync.Mutex
	tokens  int
}

func (p *purse) Network() netip.Prefix { return netip.MustParsePrefix(p.network) }

func (p *purse) Take(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > p.tokens {
		return false
	}
	p.tokens -= n
	return true
}

func (p *purse) Return(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens += n
}

// wrong is a solution of ch with another counter.
func wrong(t *testing.T, ch challenge.Challenge) string {
	p := solve(t, ch)
	p.Solution["counter"] = 4_000_000_000
	return p.encode(t)
}

// A wrong solution costs its sender as many tokens as it was dearer than usual;
// everything else costs nothing.
func TestCheck_ChargesWrongSolutionsByTheirCost(t *testing.T) {
	c := newChallenger(t, new(memory))
	by := &purse{network: "192.0.2.0/24", tokens: 7}
	right := solve(t, c.Issue(onPage(), 4)).encode(t)
	for i, step := range []struct {
		solution string
		want     challenge.Outcome
		left     int
	}{
		{right, challenge.Solved, 7},
		{right, challenge.Spent, 7},
		{"no solution", challenge.Malformed, 7},
		{wrong(t, c.Issue(onPage(), 1)), challenge.Wrong, 6},
		{wrong(t, c.Issue(onPage(), 4)), challenge.Wrong, 2},
		{solve(t, c.Issue(onPage(), 4)).encode(t), challenge.RateLimited, 2},
		{solve(t, c.Issue(onPage(), 2)).encode(t), challenge.Solved, 2},
	} {
		r, err := c.Check(t.Context(), step.solution, byUser(), by)
		if err != nil || r.Outcome != step.want || by.tokens != step.left {
			t.Errorf("solution %d: %v, %v, %d tokens left; want %v and %d", i, r.Outcome, err, by.tokens, step.want, step.left)
		}
	}
}

// Solutions that are sent at once share no token.
func TestCheck_ChargesSolutionsThatComeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChallenger(t, new(memory))
		by := &purse{network: "192.0.2.0/24", tokens: 3}
		open := c.TakeAllSlots()
		var limited, checked atomic.Int32
		for range 10 {
			solution := wrong(t, c.Issue(onPage(), 1))
			go func() {
				switch r, _ := c.Check(t.Context(), solution, byUser(), by); r.Outcome {
				case challenge.RateLimited:
					limited.Add(1)
				case challenge.Wrong:
					checked.Add(1)
				}
			}()
		}
		synctest.Wait()
		open()
		synctest.Wait()
		if limited.Load() != 7 || checked.Load() != 3 || by.tokens != 0 {
			t.Errorf("%d limited, %d checked, %d tokens left; want 7, 3 and 0", limited.Load(), checked.Load(), by.tokens)
		}
	})
}

// Who waits in vain has spent and paid nothing: the same solution counts
// afterwards, once.
func TestCheck_SpendsNothingThatItDoesNotCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChallenger(t, new(memory))
		by := &purse{network: "192.0.2.0/24", tokens: 1}
		solution := solve(t, c.Issue(onPage(), 1)).encode(t)
		open := c.TakeAllSlots()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		r, err := c.Check(ctx, solution, byUser(), by)
		if r.Outcome != challenge.Busy || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("got %+v, %v after %v", r, err, time.Since(began))
		}
		open()
		if r, err := c.Check(ctx, solution, byUser(), by); r.Outcome != challenge.Busy || err == nil {
			t.Errorf("for a caller that has left: %+v, %v", r, err)
		}
		by.tokens = 0
		if r, _ := c.Check(t.Context(), solution, byUser(), by); r.Outcome != challenge.RateLimited {
			t.Errorf("without a token: %+v", r)
		}
		by.tokens = 1
		for _, want := range []challenge.Outcome{challenge.Solved, challenge.Spent} {
			if r, _ := c.Check(t.Context(), solution, byUser(), by); r.Outcome != want {
				t.Errorf("afterwards: %v, want %v", r.Outcome, want)
			}
		}
	})
}

// An orderly spender remembers in which order it was asked.
type orderly struct {
	memory
	order []string
}

func (o *orderly) Spend(ctx context.Context, key string, life time.Duration) (bool, error) {
	o.order = append(o.order, key) // one at a time: the test leaves one slot
	return o.memory.Spend(ctx, key, life)
}

// Networks that send ever so much wait for those that did not: they are next.
func TestCheck_WhoHadLeastIsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spent := new(orderly)
		c := newChallenger(t, spent)
		c.TakeAllSlots()
		from := map[string]string{} // the network of each nonce
		sends := func(network string) {
			ch := c.Issue(onPage(), 1)
			from[ch.Parameters.Nonce] = network
			solution := wrong(t, ch)
			go func() { _, _ = c.Check(t.Context(), solution, byUser(), &purse{network: network, tokens: 1}) }()
			synctest.Wait()
		}
		floods := []string{"2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:3::/48", "2001:db8:4::/48"}
		for range 20 {
			for _, network := range floods {
				sends(network)
			}
		}
		for i := range 5 {
			sends(fmt.Sprintf("198.51.%d.0/24", i))
		}
		c.FreeOneSlot()
		synctest.Wait()
		if len(spent.order) != 85 {
			t.Fatalf("%d of 85 were checked", len(spent.order))
		}
		first := map[string]bool{}
		for _, nonce := range spent.order[:9] {
			first[from[nonce]] = true
		}
		if len(first) != 9 {
			t.Errorf("of nine networks %d had their first turn before any had its second", len(first))
		}
	})
}

// The line is bounded, and it is those of the flood who have to go.
func TestCheck_AFloodPushesOutItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChallenger(t, new(memory))
		open := c.TakeAllSlots()
		solution := solve(t, c.Issue(onPage(), 1)).encode(t)
		busy := map[string]*atomic.Int32{"203.0.113.0/24": {}, "198.51.100.0/24": {}}
		sends := func(network string, n int) {
			for range n {
				go func() {
					if r, _ := c.Check(t.Context(), solution, byUser(), &purse{network: network, tokens: 1}); r.Outcome == challenge.Busy {
						busy[network].Add(1)
					}
				}()
			}
			synctest.Wait()
		}
		sends("203.0.113.0/24", 1500)
		sends("198.51.100.0/24", 10)
		if flood, honest := busy["203.0.113.0/24"].Load(), busy["198.51.100.0/24"].Load(); flood != 1500-1024+10 || honest != 0 {
			t.Errorf("of the flood %d had to go, want 486; of the others %d, want 0", flood, honest)
		}
		open()
	})
}
