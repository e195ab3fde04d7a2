package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"captchagate/captcha"
	"captchagate/fleet"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/store/redis"
)

// A taker takes passes from their budgets.
type taker interface {
	// take takes a pass from its budget, once a ticket.
	take(ctx context.Context, p policy.Pass) policy.Outcome
	// kept tells that a pass on a ticket let somebody in.
	kept(p policy.Pass)
	// giveBack has the ticket be as it was, after a pass that let nobody in.
	giveBack(p policy.Pass)
	// hears reports whether others can be asked now, and tell what they let in.
	hears() bool
}

// alone takes from budgets that are this instance's own.
type alone struct{}

func (alone) take(_ context.Context, p policy.Pass) policy.Outcome {
	if !p.Budget.Take(p.Under, p.Ticket.UserIP, p.Ticket.Subject) {
		return policy.Over
	}
	return policy.Let
}

func (alone) kept(policy.Pass)     {}
func (alone) giveBack(policy.Pass) {}
func (alone) hears() bool          { return true }

// A sharedBoard is where instances share passes.
type sharedBoard interface {
	Take(ctx context.Context, w fleet.Want) (fleet.Got, error)
	Marked(ctx context.Context, names ...string) ([]bool, error)
	Release(ctx context.Context, id string, names ...string) error
	Asks() bool
}

// together takes from budgets that a fleet shares; while it cannot, from this
// instance's part of them.
type together struct {
	board   sharedBoard
	member  *fleet.Member
	refused *once.LastingSet
}

func (t *together) take(ctx context.Context, p policy.Pass) policy.Outcome {
	bill, ok := p.Budget.Bill(p.Under, p.Ticket.UserIP, p.Ticket.Subject)
	if !ok {
		return policy.Over
	}
	v, up := t.member.Status()
	if up && p.On != policy.OnSolution && !t.member.Settled() {
		return policy.Unsettled // it may have let somebody in whom Redis has forgotten
	}
	want, refusals := t.want(p, bill, v.Gen)
	got, err := t.board.Take(ctx, want)
	switch {
	case errors.Is(err, redis.ErrShut) || err != nil && len(want.Claims) == 0:
		return t.takePart(p, v.Alive)
	case err != nil: // the ticket may be claimed by now, or let somebody in elsewhere
		t.giveBack(p)
		return policy.Unknown
	case got.Outcome == fleet.Stale: // what was claimed is lost: the next beat tells
		t.member.Wake()
		return policy.Unsettled
	}
	levels := make([]int64, len(got.Levels))
	for i, level := range got.Levels {
		levels[i] = int64(level)
	}
	p.Budget.Settle(bill, levels, int64(got.Begun), got.Outcome == fleet.Given, max(v.Alive, 1))
	switch got.Outcome {
	case fleet.Given:
		return policy.Let
	case fleet.Claimed:
		return policy.Spent
	case fleet.Barred:
		t.refused.Set.Add(refusals[got.Which])
		return policy.Refused
	case fleet.Over, fleet.Stale:
	}
	return policy.Over
}

// takePart takes from this instance's part. One that never heard of its fleet has none.
func (t *together) takePart(p policy.Pass, instances int) policy.Outcome {
	if p.Budget.TakePart(p.Under, p.Ticket.UserIP, p.Ticket.Subject, instances) {
		return policy.Let
	}
	return policy.Apart
}

// want is what a pass asks the fleet for, and the refusals of which none may stand.
func (t *together) want(p policy.Pass, bill policy.Bill, gen int64) (w fleet.Want, refusals []captcha.Key) {
	budget := p.Scene + "/allowed/"
	if p.On == policy.OnSolution {
		budget = p.Scene + "/solved/"
	}
	w = fleet.Want{
		Gen: gen, ID: t.attempt(p), Life: captcha.TicketLife, Claims: claims(p),
		Clock: fleet.Clock{
			Name: budget + bill.Under.String(), For: fleet.Ticks(bill.For), Begun: fleet.Ticks(bill.Begun),
			Renewed: fleet.Ticks(bill.Renewed), Again: bill.Under == policy.NotLasting,
		},
	}
	for _, b := range bill.Buckets {
		w.Buckets = append(w.Buckets, fleet.Bucket{Name: budget + b.Name, Interval: fleet.Ticks(b.Interval), Burst: fleet.Ticks(b.Burst)})
	}
	if p.Refusals != nil {
		refusals = p.Refusals()
	}
	for _, k := range refusals {
		w.Bars = append(w.Bars, markOf(fleet.RefusedMark, k))
	}
	return w, refusals
}

// attempt names an attempt of this instance to take a pass, in the order of time: what is
// given back late must not be what a later attempt was given.
func (t *together) attempt(p policy.Pass) string { return t.member.ID() + "." + p.DecisionID }

// claims are the marks that a pass leaves.
func claims(p policy.Pass) []string {
	switch p.On {
	case policy.OnTicket:
		return []string{markOf(fleet.LetMark, p.Ticket.Key())}
	case policy.OnDisasterTicket:
		return []string{markOf(fleet.SeenMark, p.Held)}
	case policy.OnSolution:
	}
	return nil
}

func markOf(kind string, k captcha.Key) string { return kind + hex.EncodeToString(k[:]) }

// kept has those learn of a ticket that let somebody in who answer without asking the
// fleet.
func (t *together) kept(p policy.Pass) {
	key := p.Ticket.Key()
	t.member.Publish(fleet.Let, key[:])
}

func (t *together) giveBack(p policy.Pass) {
	if names := claims(p); len(names) > 0 {
		go func() { _ = t.board.Release(context.Background(), t.attempt(p), names...) }() // bounded; at worst the ticket is lost
	}
}

func (t *together) hears() bool { return t.board.Asks() }

// learnLet takes in tickets that let somebody in elsewhere.
func (g *group) learnLet(keys [][]byte, _ time.Duration) {
	for _, k := range keys {
		if len(k) == len(captcha.Key{}) {
			g.ledger.used.Set.Add(captcha.Key(k))
			g.ledger.let.Add(captcha.Key(k))
		}
	}
}
