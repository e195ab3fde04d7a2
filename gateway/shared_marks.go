package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
	"captchagate/fleet"
	"captchagate/once"
	"captchagate/policy"
)

// sharedSpent remembers on the board of a fleet which challenges were answered. What was
// issued before the board may have lost something nobody can tell of: the user solves
// another one.
type sharedSpent struct {
	board  sharedBoard
	member *fleet.Member
	known  *once.Set // what this instance spent
}

// Generation, Known and Spend are the challenge's Spender.

// Generation is the board's, as last heard.
func (s *sharedSpent) Generation() string { return strconv.FormatInt(s.member.Gen(), 10) }

// Known tells what this instance spent.
func (s *sharedSpent) Known(key string) bool { return s.known.Has(captcha.KeyOf(key)) }

var errUnknownSpent = errors.New("the fleet's memory of solutions was lost since the challenge was issued")

// Spend asks the board, and leaves it to nobody else to know.
func (s *sharedSpent) Spend(ctx context.Context, key string, life time.Duration) (first bool, err error) {
	generation, nonce, _ := strings.Cut(key, ".")
	gen, _ := strconv.ParseInt(generation, 10, 64) // 0 is no generation
	name := captcha.KeyOf(key)
	if !s.known.Add(name) {
		return false, nil
	}
	got, err := s.board.Take(ctx, fleet.Want{Gen: gen, ID: rand.Text(), Life: life, Claims: []string{fleet.SpentMark + nonce}})
	if err == nil && got.Outcome == fleet.Stale {
		s.member.Wake()
		err = errUnknownSpent
	}
	if err != nil {
		s.known.Remove(name)
		return false, fmt.Errorf("cannot note the use of a solution: %w", err)
	}
	return got.Outcome == fleet.Given, nil
}

// sharedRefusals have all instances of a fleet know what the API refused.
type sharedRefusals struct {
	*once.LastingSet
	notes *fleet.Notes
}

// Add is the policy's.
func (r sharedRefusals) Add(k captcha.Key) bool {
	first := r.LastingSet.Add(k)
	if first {
		r.notes.Add(markOf(fleet.RefusedMark, k), captcha.TicketLife, false)
	}
	return first
}

// refusals are the policy's.
func (g *Gateway) refusals() policy.Refusals {
	if g.group == nil {
		return g.tickets.refused
	}
	return sharedRefusals{g.tickets.refused, g.group.notes}
}

// sharedFates have all instances of a fleet know whose fate an attempt left open. The
// others' are asked for on a code 9 only.
type sharedFates struct {
	*once.LastingSet // of this instance
	mark             string
	notes            *fleet.Notes
}

// Add is the breaker's.
func (f sharedFates) Add(k captcha.Key) bool {
	first := f.LastingSet.Add(k)
	if first {
		f.notes.Add(markOf(f.mark, k), captcha.TicketLife, true)
	}
	return first
}

// siblings are the calls of the other instances of a fleet.
type siblings struct {
	*group
	fates, abandoned *once.Set // of this instance, which remembers what it learned
}

// Stands and Ended are the breaker's.
func (s siblings) Stands(k captcha.Key) {
	s.notes.Lend(markOf(fleet.StandsMark, k), captcha.TicketLife)
}

// Ended comes after the fate was noted, if it is unknown.
func (s siblings) Ended(k captcha.Key) { s.notes.Remove(markOf(fleet.StandsMark, k)) }

// Fate is the breaker's; it waits 5 ms at most, but for a call that stands. If nobody can
// be asked a caller may have left, unless all is calm.
func (s siblings) Fate(ctx context.Context, k captcha.Key) (unknown, abandoned bool) {
	for {
		marked, err := s.board.Marked(ctx, markOf(fleet.FateMark, k), markOf(fleet.AbandonMark, k), markOf(fleet.StandsMark, k))
		switch {
		case err != nil:
			marked = []bool{false, !s.calm(), false}
		case marked[0] || !marked[2]:
		case pause(ctx, askAgainEvery): // until the end of the call tells
			continue
		default:
			marked[0] = true
		}
		if marked[0] {
			s.fates.Add(k)
		}
		if marked[1] {
			s.abandoned.Add(k)
		}
		return marked[0], marked[1]
	}
}

// pause waits, and reports whether it did to the end.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// calm reports whether nothing is known to be wrong with the API, here or in the fleet.
func (g *group) calm() bool {
	v, _ := g.member.Status()
	return g.breaker.State() == breaker.Closed && v.Circuit.State == fleet.Closed
}

// fates are the breaker's.
func (g *Gateway) fates() breaker.Fates {
	if g.group == nil {
		return g.tickets.fates
	}
	return sharedFates{g.tickets.fates, fleet.FateMark, g.group.notes}
}

// abandoned are the breaker's.
func (g *Gateway) abandoned() breaker.Fates {
	if g.group == nil {
		return g.tickets.abandoned
	}
	return sharedFates{g.tickets.abandoned, fleet.AbandonMark, g.group.notes}
}

// siblings are the breaker's.
func (g *Gateway) siblings() breaker.Siblings {
	if g.group == nil {
		return breaker.Alone{}
	}
	return siblings{g.group, g.tickets.fates.Set, g.tickets.abandoned.Set}
}
