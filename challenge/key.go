package challenge

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// A Key signs challenges.
type Key struct {
	ID     string // the claim "kid"; says which key it is, not what it is
	Secret []byte

	end time.Time // nothing that it signed counts from then on; zero: no end
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
// time, so that it cannot serve as a name of the household. What is signed
// begins with "{", so this text is never mistaken for it.
func (k Key) user(nonce string, household netip.Prefix) string {
	mac := hmac.New(sha256.New, k.Secret)
	mac.Write([]byte("household " + nonce + " " + household.String()))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// stragglers is how much longer than a challenge lives a key counts that is not
// configured any more: other instances may load the new one a little later.
const stragglers = time.Minute

// Rotate signs with the first of keys from now on and accepts what any of them
// signed. A key that is not among them any more is good for what is open on
// pages: as long as a challenge lives and a minute more, counted from the first
// time that it was missing.
func (c *Challenger) Rotate(keys []Key) error {
	if err := validate(keys); err != nil {
		return err
	}
	c.rotating.Lock()
	defer c.rotating.Unlock()
	now := time.Now()
	next := slices.Clone(keys)
	for _, old := range *c.keys.Load() {
		if slices.ContainsFunc(keys, func(k Key) bool { return k.ID == old.ID }) {
			continue
		}
		if old.end.IsZero() {
			old.end = now.Add(c.cfg.Expires + stragglers)
		}
		if now.Before(old.end) {
			next = append(next, old)
		}
	}
	c.keys.Store(&next)
	return nil
}
