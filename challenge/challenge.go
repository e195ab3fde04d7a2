// Package challenge is the alternate challenge: a proof of work that a browser
// does without anybody's help, in the form of ALTCHA's protocol version 2.
//
// A proof of work is a price and not a proof of a human. What keeps it honest
// here: a challenge is signed, bound to what it was issued for, expires, and
// can be answered once, rightly or wrongly. A wrong answer is charged to who sent
// it, and those who sent much wait for those who did not.
package challenge

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// What every challenge has in common. A derived key begins with one zero byte
// once in 256 times, so solving takes 256 derivations on average (half of all
// solvers are done after 177, one in a hundred needs more than 1,177), and
// checking takes one.
const (
	algorithm = "PBKDF2/SHA-256"
	keyLength = 32   // bytes
	keyPrefix = "00" // hex, whole bytes
)

// MaxCost is the most PBKDF2 iterations of one derivation, whatever the
// configuration and the multiplier ask for.
const MaxCost = 1_000_000

const nonceBytes = 16

// A Challenge is what a browser has to solve.
type Challenge struct {
	Parameters Parameters `json:"parameters"`
	Signature  string     `json:"signature"` // hex HMAC-SHA256 of the parameters
}

// Parameters are the signed part of a challenge. The fields stand in the order
// of their JSON names, because the signature covers the JSON with sorted keys.
type Parameters struct {
	Algorithm string `json:"algorithm"`
	Cost      int    `json:"cost"` // iterations, 1..MaxCost
	Claims    Claims `json:"data"`
	ExpiresAt int64  `json:"expiresAt"` // unix seconds, rounded up
	KeyLength int    `json:"keyLength"`
	KeyPrefix string `json:"keyPrefix"`
	Nonce     string `json:"nonce"` // hex, 16 bytes
	Salt      string `json:"salt"`  // hex, 16 bytes
}

// Claims say what a challenge is bound to. The fields stand in the order of
// their JSON names. All values are plain ASCII: some solvers put the challenge
// through btoa, which knows nothing else.
type Claims struct {
	Cause  string `json:"cause"`          // URL-escaped
	Gen    string `json:"gen,omitempty"`  // the Spender's generation
	Issued string `json:"issued"`         // unix milliseconds
	Kid    string `json:"kid"`            // which key signed
	Scene  string `json:"scene"`          // URL-escaped
	Until  string `json:"until"`          // unix milliseconds, the exact end
	User   string `json:"user,omitempty"` // keyed hash of the household; only if bound to one
}

// A Binding is what a challenge is issued for, and what its solution must be
// presented for.
type Binding struct {
	Scene string

	// Household is the user's, as the caller draws its bounds. An Issue without
	// one binds the challenge to the scene alone: a page fetched it and nobody
	// has said yet who the user is.
	Household netip.Prefix

	// Cause is why the challenge was issued. It is signed and given back by
	// Check; it is readable by the user. Check does not look at it.
	Cause string
}

// A Challenger issues challenges and checks their solutions. It is safe for
// concurrent use.
type Challenger struct {
	cfg   Config
	spent Spender
	line  *line // to the derivations that may run at once

	rotating sync.Mutex
	keys     atomic.Pointer[[]Key] // the first one signs
}

// New returns a Challenger that signs with the first key and accepts what any
// of them signed, so that a key can be changed without breaking open pages.
// The Secret of cfg is not looked at: make a Key of it with NewKey.
func New(cfg Config, keys []Key, spent Spender) (*Challenger, error) {
	if err := errors.Join(cfg.Validate(), validate(keys)); err != nil {
		return nil, err
	}
	if spent == nil {
		return nil, errors.New("challenge: no Spender; solutions could be used again")
	}
	c := &Challenger{cfg: cfg, spent: spent, line: newLine(runtime.GOMAXPROCS(0))}
	c.keys.Store(&keys)
	return c, nil
}

// Issue makes a challenge for b. Its cost is the configured one, multiplied by
// times (at least 1) and cut at MaxCost.
func (c *Challenger) Issue(b Binding, times int) Challenge {
	now := time.Now()
	until := now.Add(c.cfg.Expires)
	key, nonce := (*c.keys.Load())[0], randomHex()
	p := Parameters{
		Algorithm: algorithm,
		Cost:      min(c.cfg.Cost*min(max(times, 1), MaxCost), MaxCost),
		Claims: Claims{
			Cause:  url.PathEscape(b.Cause),
			Gen:    c.spent.Generation(),
			Issued: strconv.FormatInt(now.UnixMilli(), 10),
			Kid:    key.ID,
			Scene:  url.PathEscape(b.Scene),
			Until:  strconv.FormatInt(until.UnixMilli(), 10),
		},
		ExpiresAt: until.Add(time.Second - 1).Unix(),
		KeyLength: keyLength,
		KeyPrefix: keyPrefix,
		Nonce:     nonce,
		Salt:      randomHex(),
	}
	if b.Household.IsValid() {
		p.Claims.User = key.user(nonce, b.Household)
	}
	return Challenge{Parameters: p, Signature: hex.EncodeToString(key.sign(p))}
}

func randomHex() string {
	var b [nonceBytes]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	return hex.EncodeToString(b[:])
}
