// Package challenge is the alternate challenge: a proof of work that a browser
// does without anybody's help, in the form of ALTCHA's protocol version 2.
//
// A proof of work is a price and not a proof of a human. What keeps it honest
// here: a challenge is signed, bound to what it was issued for, expires, and
// can be answered once, rightly or wrongly.
package challenge

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"runtime"
	"strconv"
	"time"
)

// What every challenge has in common. A derived key begins with one zero byte
// once in 256 times, so solving takes 256 derivations on average (half of all
// solvers are done after 177, one in a hundred needs more than 1,177), and
// checking takes one.
const (
	Algorithm = "PBKDF2/SHA-256"
	KeyLength = 32   // bytes
	KeyPrefix = "00" // hex, whole bytes
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
	Issued string `json:"issued"`         // unix milliseconds
	Kid    string `json:"kid"`            // which key signed
	Scene  string `json:"scene"`          // URL-escaped
	Until  string `json:"until"`          // unix milliseconds, the exact end
	User   string `json:"user,omitempty"` // keyed hash; only where bound to a user
}

// A Binding is what a challenge is issued for, and what its solution must be
// presented for.
type Binding struct {
	Scene string

	// Address and Subject are the user's. An Issue without an Address binds the
	// challenge to the scene alone: a page fetched it and nobody has said yet
	// who the user is.
	Address netip.Addr
	Subject string

	// Cause is why the challenge was issued. It is signed and given back by
	// Check; it is readable by the user. Check does not look at it.
	Cause string
}

// A Challenger issues challenges and checks their solutions. It is safe for
// concurrent use.
type Challenger struct {
	cfg   Config
	keys  []Key // the first one signs
	spent Spender
	slots chan struct{} // one for each derivation that may run at once
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
	return &Challenger{
		cfg: cfg, keys: keys, spent: spent,
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}, nil
}

// Issue makes a challenge for b. Its cost is the configured one, multiplied by
// times (at least 1) and cut at MaxCost.
func (c *Challenger) Issue(b Binding, times int) Challenge {
	now := time.Now()
	until := now.Add(c.cfg.Expires)
	key, nonce := c.keys[0], randomHex()
	p := Parameters{
		Algorithm: Algorithm,
		Cost:      min(c.cfg.Cost*min(max(times, 1), MaxCost), MaxCost),
		Claims: Claims{
			Cause:  url.PathEscape(b.Cause),
			Issued: strconv.FormatInt(now.UnixMilli(), 10),
			Kid:    key.ID,
			Scene:  url.PathEscape(b.Scene),
			Until:  strconv.FormatInt(until.UnixMilli(), 10),
		},
		ExpiresAt: until.Add(time.Second - 1).Unix(),
		KeyLength: KeyLength,
		KeyPrefix: KeyPrefix,
		Nonce:     nonce,
		Salt:      randomHex(),
	}
	if b.Address.IsValid() {
		p.Claims.User = key.user(nonce, b)
	}
	return Challenge{Parameters: p, Signature: hex.EncodeToString(key.sign(p))}
}

func randomHex() string {
	var b [nonceBytes]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	return hex.EncodeToString(b[:])
}

// A Key signs challenges.
type Key struct {
	ID     string // the claim "kid"; says which key it is, not what it is
	Secret []byte
}

// NewKey returns the key made of secret, named after it, so that all
// instances of a fleet use the same name.
func NewKey(secret string) Key {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("kid"))
	return Key{ID: hex.EncodeToString(mac.Sum(nil)[:4]), Secret: []byte(secret)}
}

func validate(keys []Key) error {
	if len(keys) == 0 {
		return errors.New("secret: no key to sign challenges with")
	}
	seen := make(map[string]bool, len(keys))
	for _, k := range keys {
		if k.ID == "" || len(k.Secret) == 0 {
			return errors.New("secret: a key has no name or is empty")
		}
		if seen[k.ID] {
			return errors.New("secret: two keys have the same name " + k.ID)
		}
		seen[k.ID] = true
	}
	return nil
}

// sign returns the HMAC over the JSON of p as JavaScript writes it: sorted
// keys, no spaces, nothing escaped for HTML.
func (k Key) sign(p Parameters) []byte {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // strings and numbers into memory: cannot fail
	mac := hmac.New(sha256.New, k.Secret)
	mac.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	return mac.Sum(nil)
}

// user hashes whose challenge it is. The nonce makes the hash another one each
// time, so that it cannot serve as a name of the user. What is signed begins
// with "{", so this text is never mistaken for it.
func (k Key) user(nonce string, b Binding) string {
	mac := hmac.New(sha256.New, k.Secret)
	address := b.Address.Unmap().As16()
	mac.Write([]byte("user " + nonce))
	mac.Write(address[:])
	mac.Write([]byte(b.Subject))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
