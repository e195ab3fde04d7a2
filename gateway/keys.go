package gateway

import (
	"context"
	"crypto/rand"

	"captchagate/challenge"
	"captchagate/store"
)

// Keys that are made once and kept in the store, by name. They are in clear
// there: whoever can read the store can use them.
const (
	challengeKey = "challenge" // signs challenges if the configuration has no secret
	sealKey      = "seal"      // seals what the store holds of users
	placementKey = "placement" // orders users who return after an outage, and names them in budgets
)

// keyBytes is the length of a key that is made here.
const keyBytes = 32

// keptKey returns the key of that name. If the store has none it makes one and
// keeps it for ever, so that a restart changes nothing that depends on it.
func keptKey(ctx context.Context, s store.Values, name string) ([]byte, error) {
	const bucket = "keys"
	key, ok, err := s.Get(ctx, bucket, name)
	if err != nil || ok {
		return key, err
	}
	key = make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	return key, s.Put(ctx, bucket, name, key, 0)
}

// signingKeys are what challenges are signed with: the configured secrets, or
// kept, the key of the store.
func signingKeys(secrets challenge.Secrets, kept challenge.Key) []challenge.Key {
	if len(secrets) == 0 {
		return []challenge.Key{kept}
	}
	keys := make([]challenge.Key, len(secrets))
	for i, secret := range secrets {
		keys[i] = challenge.NewKey(secret)
	}
	return keys
}
