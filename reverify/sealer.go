package reverify

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
)

// minKey is the shortest key, in bytes.
const minKey = 32

// A sealer keeps the store from knowing anything about a user: records are
// sealed with AES-256-GCM, and what must be found again is named by an HMAC.
type sealer struct {
	aead cipher.AEAD
	mac  []byte
}

func newSealer(key []byte) (*sealer, error) {
	if len(key) < minKey {
		return nil, fmt.Errorf("reverify: the sealing key must have at least %d bytes, has %d", minKey, len(key))
	}
	sealing, err := hkdf.Key(sha256.New, key, nil, "captchagate reverify: records", 32)
	if err != nil {
		return nil, err
	}
	naming, err := hkdf.Key(sha256.New, key, nil, "captchagate reverify: names", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead, mac: naming}, nil
}

// seal makes a record of plain that only opens in its own place.
func (s *sealer) seal(bucket, key string, plain []byte) []byte {
	return s.aead.Seal(nil, nil, plain, []byte(bucket+"/"+key)) //nolint:gosec // this AEAD draws the nonce itself and refuses another
}

func (s *sealer) open(bucket, key string, sealed []byte) (plain []byte, err error) {
	return s.aead.Open(nil, nil, sealed, []byte(bucket+"/"+key))
}

// pseudonym is a keyed one-way name of value among things of one kind.
func (s *sealer) pseudonym(kind, value string) pseudonym {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte(kind + "\x00" + value))
	return pseudonym(h.Sum(nil)[:len(pseudonym{})])
}

// A keyring has the sealers of several keys. The first seals and names; what any of them
// sealed can be read.
type keyring []*sealer

func newKeyring(keys [][]byte) (ring keyring, err error) {
	if len(keys) == 0 {
		return nil, errors.New("reverify: there is no sealing key")
	}
	for _, key := range keys {
		s, err := newSealer(key)
		if err != nil {
			return nil, err
		}
		ring = append(ring, s)
	}
	return ring, nil
}

func (k keyring) seal(bucket, key string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return k[0].seal(bucket, key, plain), nil
}

func (k keyring) unseal(bucket, key string, sealed []byte, v any) error {
	_, plain, err := k.open(bucket, key, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// open also returns whose seal it was.
func (k keyring) open(bucket, key string, sealed []byte) (by *sealer, plain []byte, err error) {
	for _, s := range k {
		if plain, err := s.open(bucket, key, sealed); err == nil {
			return s, plain, nil
		}
	}
	return nil, nil, errors.New("a record cannot be unsealed: it was sealed with another key, or it is damaged")
}
