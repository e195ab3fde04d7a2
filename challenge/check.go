package challenge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// A Spender remembers which challenges were answered.
type Spender interface {
	// Spend reports whether key is spent for the first time, and remembers it
	// for at least life. An error means that nobody knows.
	Spend(ctx context.Context, key string, life time.Duration) (first bool, err error)
}

// An Outcome is what Check found.
type Outcome int

// The outcomes. Only Solved is good; the zero value is not.
const (
	Malformed  Outcome = iota // not a solution at all
	Forged                    // not signed by any of our keys, or changed since
	Expired                   // older than its life
	OtherScene                // issued for another scene
	OtherUser                 // issued for another address or subject
	Spent                     // answered before, rightly or wrongly
	Wrong                     // the derived key is not the claimed one, or has not the prefix
	StoreAway                 // nobody knows whether it was answered before
	Busy                      // no derivation could run before the context ended
	Solved
)

var outcomeNames = [...]string{
	Malformed: "malformed", Forged: "forged", Expired: "expired",
	OtherScene: "other_scene", OtherUser: "other_user", Spent: "spent",
	Wrong: "wrong", StoreAway: "store_away", Busy: "busy", Solved: "solved",
}

// String names the outcome as metrics do.
func (o Outcome) String() string { return outcomeNames[o] }

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{Malformed, Forged, Expired, OtherScene, OtherUser, Spent, Wrong, StoreAway, Busy, Solved}
}

// A Result is what Check found, and what the challenge said of itself. The
// latter is known from Expired on: before that nothing in it is authentic.
type Result struct {
	Outcome Outcome
	Cause   string    // the Cause that the challenge was issued with
	ForUser bool      // bound to an address and subject, and not to a scene alone
	Issued  time.Time // by the clock of the instance that issued it; whole milliseconds
}

// clockSkew is how much longer than the challenge lives a spent one is
// remembered, because the clocks of two instances may differ.
const clockSkew = 15 * time.Second

// Check says whether solution solves a challenge of ours for b (the Cause of b
// does not matter). What is cheap comes first; the challenge is then spent,
// whatever comes of it, and only then the key is derived.
//
// The error is not nil exactly where the outcome is StoreAway or Busy; it holds
// nothing that a user sent.
func (c *Challenger) Check(ctx context.Context, solution string, b Binding) (Result, error) {
	s, ok := parse(solution)
	if !ok {
		return Result{Outcome: Malformed}, nil
	}
	key, ok := c.signer(s.Challenge)
	if !ok {
		return Result{Outcome: Forged}, nil
	}
	claims := s.Challenge.Parameters.Claims
	r := Result{ForUser: claims.User != "", Issued: milliseconds(claims.Issued)}
	r.Cause, _ = url.PathUnescape(claims.Cause)
	left := time.Until(milliseconds(claims.Until))
	switch {
	case left <= 0:
		r.Outcome = Expired
	case claims.Scene != url.PathEscape(b.Scene):
		r.Outcome = OtherScene
	case r.ForUser && claims.User != key.user(s.Challenge.Parameters.Nonce, b):
		r.Outcome = OtherUser
	default:
		var err error
		r.Outcome, err = c.spendAndDerive(ctx, s, left+clockSkew)
		return r, err
	}
	return r, nil
}

// signer returns the key that ch was signed with. The signature covers the
// parameters as this package writes them, so it does not matter how they were
// spaced, ordered or escaped on the way here.
func (c *Challenger) signer(ch Challenge) (Key, bool) {
	claimed, err := hex.DecodeString(ch.Signature)
	if err != nil {
		return Key{}, false
	}
	for _, k := range c.keys {
		if k.ID == ch.Parameters.Claims.Kid {
			return k, hmac.Equal(claimed, k.sign(ch.Parameters))
		}
	}
	return Key{}, false
}

// spendAndDerive spends first: else one challenge could be sent a thousand
// times at once and cost us a thousand derivations.
func (c *Challenger) spendAndDerive(ctx context.Context, s solution, life time.Duration) (Outcome, error) {
	first, err := c.spent.Spend(ctx, s.Challenge.Parameters.Nonce, life)
	if err != nil {
		return StoreAway, fmt.Errorf("challenge: cannot tell whether a solution was used before: %w", err)
	}
	if !first {
		return Spent, nil
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return Busy, fmt.Errorf("challenge: all %d derivations are taken: %w", cap(c.slots), context.Cause(ctx))
	}
	if !s.right() {
		return Wrong, nil
	}
	return Solved, nil
}

// right derives the key of the claimed counter and compares. Its first byte is
// the prefix, which parse has found to be KeyPrefix.
func (s solution) right() bool {
	p := s.Challenge.Parameters
	nonce, _ := hex.DecodeString(p.Nonce) // parse found all three to be hex
	salt, _ := hex.DecodeString(p.Salt)
	claimed, _ := hex.DecodeString(s.Solution.DerivedKey)
	password := binary.BigEndian.AppendUint32(nonce, s.Solution.Counter)
	derived, err := pbkdf2.Key(sha256.New, string(password), salt, p.Cost, KeyLength)
	return err == nil && derived[0] == 0 && bytes.Equal(derived, claimed)
}

func milliseconds(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(n)
}
