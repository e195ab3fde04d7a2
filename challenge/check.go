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
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// A Spender remembers which challenges were answered.
type Spender interface {
	// Known reports, without waiting, whether key is known to be spent. One
	// that is not may be so all the same.
	Known(key string) bool
	// Spend reports whether key is spent for the first time, and remembers it
	// for at least life. An error means that nobody knows.
	Spend(ctx context.Context, key string, life time.Duration) (first bool, err error)
	// Generation is that of its memory: digits, others once anything may have been
	// forgotten, or "" for a memory that forgets nothing. It stands before the key of
	// each challenge that is issued in it, with a dot between.
	Generation() string
}

// A Payer is who sent a solution. A wrong one costs it tokens: one, and for a
// challenge that was dearer than usual as many as it was dearer.
type Payer interface {
	// Network names the Payer where derivations are shared out.
	Network() netip.Prefix
	// Take takes tokens and reports whether there were as many.
	Take(tokens int) bool
	// Return gives back tokens that were taken for what was not wrong.
	Return(tokens int)
}

// An Outcome is what Check found.
type Outcome int

// The outcomes. Only Solved is good; the zero value is not.
const (
	Malformed   Outcome = iota // not a solution at all
	Forged                     // not signed by any of our keys, or changed since
	Expired                    // older than its life
	OtherScene                 // issued for another scene
	OtherUser                  // issued for another household
	OtherTerms                 // signed by one of our keys, but nothing so cheap or long-lived was configured
	Spent                      // answered before, rightly or wrongly
	RateLimited                // not looked at: too many wrong ones came from there
	Wrong                      // the derived key is not the claimed one, or has not the prefix
	StoreAway                  // nobody knows whether it was answered before
	Busy                       // not looked at: no derivation could run before the context ended
	Solved
)

var outcomeNames = [...]string{
	Malformed: "malformed", Forged: "forged", Expired: "expired",
	OtherScene: "other_scene", OtherUser: "other_user", OtherTerms: "other_terms",
	Spent: "spent", RateLimited: "rate_limited", Wrong: "wrong", StoreAway: "store_away", Busy: "busy", Solved: "solved",
}

// String names the outcome as metrics do.
func (o Outcome) String() string { return outcomeNames[o] }

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{Malformed, Forged, Expired, OtherScene, OtherUser, OtherTerms, Spent, RateLimited, Wrong, StoreAway, Busy, Solved}
}

// A Result is what Check found, and what the challenge said of itself. The
// latter is known from Expired on: before that nothing in it is authentic.
type Result struct {
	Outcome Outcome
	Cause   string    // the Cause that the challenge was issued with
	Asked   bool      // bound to a household, and not to a scene alone
	Issued  time.Time // by the clock of the instance that issued it; whole milliseconds
}

// clockSkew is how much longer than the challenge lives a spent one is
// remembered, because the clocks of two instances may differ.
const clockSkew = 15 * time.Second

// Check says whether solution solves a challenge of ours for b (the Cause of b
// does not matter). What is cheap comes first. The challenge is spent, whatever
// comes of it, when its turn has come and just before the key is derived: where
// nothing is derived nothing is spent, and by has its tokens back.
//
// The error is not nil exactly if the outcome is StoreAway or Busy; it holds
// nothing that a user sent.
func (c *Challenger) Check(ctx context.Context, solution string, b Binding, by Payer) (Result, error) {
	s, ok := parse(solution)
	if !ok {
		return Result{Outcome: Malformed}, nil
	}
	key, ok := c.signer(s.Challenge)
	if !ok {
		return Result{Outcome: Forged}, nil
	}
	claims := s.Challenge.Parameters.Claims
	r := Result{Asked: claims.User != "", Issued: milliseconds(claims.Issued)}
	r.Cause, _ = url.PathUnescape(claims.Cause)
	left := time.Until(milliseconds(claims.Until))
	switch {
	case left <= 0:
		r.Outcome = Expired
	case claims.Scene != url.PathEscape(b.Scene):
		r.Outcome = OtherScene
	case r.Asked && claims.User != key.user(s.Challenge.Parameters.Nonce, b.Household):
		r.Outcome = OtherUser
	case !c.configured(s.Challenge.Parameters):
		r.Outcome = OtherTerms
	case c.spent.Known(s.Challenge.Parameters.spentKey()):
		r.Outcome = Spent
	default:
		var err error
		r.Outcome, err = c.charged(ctx, s, left+clockSkew, by)
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
	for _, k := range *c.keys.Load() {
		if k.ID == ch.Parameters.Claims.Kid && (k.end.IsZero() || time.Now().Before(k.end)) {
			return k, hmac.Equal(claimed, k.sign(ch.Parameters))
		}
	}
	return Key{}, false
}

// configured reports whether we could have issued a challenge with these
// parameters. A signature alone does not say so: somebody may have got hold of
// a key. Cost and life are those of this process; what an earlier one issued on
// better terms does not count.
func (c *Challenger) configured(p Parameters) bool {
	issued, until := milliseconds(p.Claims.Issued), milliseconds(p.Claims.Until)
	return p.Cost >= c.cfg.Cost && until.Sub(issued) <= c.cfg.Expires && time.Until(issued) <= clockSkew
}

// charged checks s at the expense of by. The tokens are taken before, so that
// solutions sent at once do not share one, and given back unless s is wrong.
func (c *Challenger) charged(ctx context.Context, s solution, life time.Duration, by Payer) (outcome Outcome, err error) {
	tokens := (s.Challenge.Parameters.Cost + c.cfg.Cost - 1) / c.cfg.Cost
	if !by.Take(tokens) {
		return RateLimited, nil
	}
	defer func() {
		if outcome != Wrong {
			by.Return(tokens)
		}
	}()
	leave, err := c.line.enter(ctx, by.Network(), s.Challenge.Parameters.Cost)
	if err != nil {
		return Busy, fmt.Errorf("challenge: a solution was not checked: %w", err)
	}
	defer leave()
	return c.spendAndDerive(ctx, s, life)
}

// maxSpending is how long others wait for a Spender that does not answer.
const maxSpending = time.Second

// spendAndDerive spends first: else one challenge could be sent a thousand
// times at once and cost us a thousand derivations. From here on the caller may
// leave; what is spent is checked.
func (c *Challenger) spendAndDerive(ctx context.Context, s solution, life time.Duration) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxSpending)
	defer cancel()
	first, err := c.spent.Spend(ctx, s.Challenge.Parameters.spentKey(), life)
	switch {
	case err != nil:
		return StoreAway, fmt.Errorf("challenge: cannot tell whether a solution was used before: %w", err)
	case !first:
		return Spent, nil
	case !s.right():
		return Wrong, nil
	}
	return Solved, nil
}

// spentKey is what a challenge is spent under.
func (p Parameters) spentKey() string {
	if p.Claims.Gen == "" {
		return p.Nonce
	}
	return p.Claims.Gen + "." + p.Nonce
}

// right derives the key of the claimed counter and compares. Its first byte is
// the prefix, which parse has found to be keyPrefix.
func (s solution) right() bool {
	p := s.Challenge.Parameters
	nonce, _ := hex.DecodeString(p.Nonce) // parse found all three to be hex
	salt, _ := hex.DecodeString(p.Salt)
	claimed, _ := hex.DecodeString(s.Solution.DerivedKey)
	password := binary.BigEndian.AppendUint32(nonce, s.Solution.Counter)
	derived, err := pbkdf2.Key(sha256.New, string(password), salt, p.Cost, keyLength)
	return err == nil && derived[0] == 0 && bytes.Equal(derived, claimed)
}

func milliseconds(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(n)
}
