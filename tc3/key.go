package tc3

import (
	"crypto/hmac"
	"crypto/sha256"
)

// A signingKey is what a SecretKey becomes for one day and service: the two pads of
// HMAC-SHA256 stand ready in it. crypto/hmac would hash the key anew, and allocate,
// for each signature.
type signingKey struct{ inner, outer [sha256.BlockSize]byte }

// newSigningKey derives the key of a day (2006-01-02, UTC) and service.
func newSigningKey(secretKey, date, service string) (k signingKey) {
	key := []byte("TC3" + secretKey)
	for _, part := range []string{date, service, "tc3_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	for i := range k.inner {
		k.inner[i], k.outer[i] = 0x36, 0x5c
	}
	for i, b := range key {
		k.inner[i] ^= b
		k.outer[i] ^= b
	}
	return k
}

// sign returns the HMAC-SHA256 of text.
func (k *signingKey) sign(text []byte) [sha256.Size]byte {
	var space [sha256.BlockSize + 256]byte
	inner := sha256.Sum256(append(append(space[:0], k.inner[:]...), text...))
	return sha256.Sum256(append(append(space[:0], k.outer[:]...), inner[:]...))
}
