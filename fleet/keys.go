package fleet

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
)

// A Secret is what the instances of a fleet share.
type Secret string

// Key is the fleet's key for one purpose, of 32 bytes.
func (s Secret) Key(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, []byte(s), nil, "captchagate fleet "+purpose, sha256.Size)
	if err != nil {
		panic(err) // 32 bytes are never too many
	}
	return key
}

// Tag names the fleet: instances with another secret are another fleet.
func (s Secret) Tag() string { return hex.EncodeToString(s.Key("tag")[:8]) }
