package send

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
)

// A Balancer spreads requests over some addresses by their weights, as a load
// balancer does. An address that takes no connection, or breaks one off, is taken
// out until it is Ready again; a request that had not reached it goes to another,
// and one that had is lost.
type Balancer struct {
	pools []*Pool

	mu     sync.Mutex
	shares []share
}

// A share is how much of the requests one address gets.
type share struct {
	weight, credit float64
	out            bool
}

// NewBalancer returns one for the addresses; weights are as many, or none where all
// are alike.
func NewBalancer(addresses []string, weights []float64) *Balancer {
	b := &Balancer{}
	for i, address := range addresses {
		weight := 1.0
		if len(weights) > 0 {
			weight = weights[i]
		}
		b.pools, b.shares = append(b.pools, &Pool{Address: address}), append(b.shares, share{weight: weight})
	}
	return b
}

// Do sends a request, and says to which of the addresses it went last.
func (b *Balancer) Do(ctx context.Context, r Request) (at, status int, body []byte, err error) {
	tried := make([]bool, len(b.pools))
	for range b.pools {
		at = b.next(tried)
		tried[at] = true
		status, body, err = b.pools[at].Do(ctx, r)
		if err == nil {
			return at, status, body, nil
		}
		if ctx.Err() != nil || isLate(err) {
			return at, 0, nil, err // it was not the address
		}
		b.Lose(at)
		if !errors.Is(err, errUnreached) {
			return at, 0, nil, err
		}
	}
	return at, 0, nil, err
}

// isLate reports whether the caller's patience ended.
func isLate(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// next picks whom most is owed to of those that are in and were not tried, or of
// the others where there is none: so that turns are as even as weights allow.
func (b *Balancer) next(tried []bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	able := func(i int) bool { return !tried[i] && !b.shares[i].out }
	if !slices.ContainsFunc(b.indexes(), able) {
		able = func(i int) bool { return !tried[i] }
	}
	best, sum := -1, 0.0
	for i := range b.shares {
		if !able(i) {
			continue
		}
		s := &b.shares[i]
		s.credit += s.weight
		sum += s.weight
		if best < 0 || s.credit > b.shares[best].credit {
			best = i
		}
	}
	b.shares[best].credit -= sum
	return best
}

func (b *Balancer) indexes() []int {
	all := make([]int, len(b.shares))
	for i := range all {
		all[i] = i
	}
	return all
}

// Lose takes an address out, and gives up the connections to it.
func (b *Balancer) Lose(at int) {
	b.mu.Lock()
	b.shares[at].out = true
	b.mu.Unlock()
	b.pools[at].Forget()
}

// Ready takes an address in again.
func (b *Balancer) Ready(at int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shares[at].out = false
}

// IsOut reports whether an address is taken out.
func (b *Balancer) IsOut(at int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shares[at].out
}

// Forget gives up the connections that nobody uses.
func (b *Balancer) Forget() {
	for _, p := range b.pools {
		p.Forget()
	}
}
