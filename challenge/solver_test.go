package challenge_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"captchagate/challenge"
)

const secret = "a secret of the tests, long enough"

// cheap keeps solving quick: 256 derivations on average.
func cheap() challenge.Config { return challenge.Config{Cost: 100, Expires: 5 * time.Minute} }

func newChallenger(t testing.TB, spent challenge.Spender, secrets ...string) *challenge.Challenger {
	t.Helper()
	var keys []challenge.Key
	for _, s := range append(secrets, secret) {
		keys = append(keys, challenge.NewKey(s))
	}
	c, err := challenge.New(cheap(), keys, spent)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// onPage is what a challenge is bound to that a page fetched.
func onPage() challenge.Binding {
	return challenge.Binding{Scene: "login", Cause: "circuit_open"}
}

// byUser is what a backend says when it presents a solution.
func byUser() challenge.Binding {
	return challenge.Binding{Scene: "login", Household: netip.MustParsePrefix("192.0.2.7/32")}
}

// free is a payer whose tokens never end.
type free struct{}

func (free) Network() netip.Prefix { return netip.MustParsePrefix("192.0.2.0/24") }
func (free) Take(int) bool         { return true }
func (free) Return(int)            {}

// A memory spends in memory, for ever.
type memory struct {
	mu         sync.Mutex
	life       map[string]time.Duration
	generation string
}

func (m *memory) Spend(_ context.Context, key string, life time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.life[key]; known {
		return false, nil
	}
	if m.life == nil {
		m.life = make(map[string]time.Duration)
	}
	m.life[key] = life
	return true, nil
}

// Generation is the memory's, which a test may lose.
func (m *memory) Generation() string { return m.generation }

func (m *memory) Known(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.life[key]
	return known
}

// A forgetful spender calls every solution the first.
type forgetful struct{}

func (forgetful) Generation() string { return "" }
func (forgetful) Known(string) bool  { return false }

func (forgetful) Spend(context.Context, string, time.Duration) (bool, error) { return true, nil }

// A payload is a solution before it is encoded. It is written out here once
// more, so that the tests do not lean on the code under test.
type payload struct {
	Challenge struct {
		Parameters map[string]any `json:"parameters"`
		Signature  string         `json:"signature"`
	} `json:"challenge"`
	Solution map[string]any `json:"solution"`
}

func (p payload) encode(t testing.TB) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

// data returns what the challenge is bound to.
func (p payload) data() map[string]any { return p.Challenge.Parameters["data"].(map[string]any) }

// solve solves ch the way the protocol says, from its JSON alone.
func solve(t testing.TB, ch challenge.Challenge) payload {
	t.Helper()
	text, err := json.Marshal(ch)
	if err != nil {
		t.Fatal(err)
	}
	var p payload
	if err := json.Unmarshal(text, &p.Challenge); err != nil {
		t.Fatal(err)
	}
	p.Solution = derive(t, p, func(key []byte) bool { return key[0] == 0 })
	return p
}

// derive tries counters until the derived key pleases.
func derive(t testing.TB, p payload, pleases func(key []byte) bool) map[string]any {
	t.Helper()
	nonce, salt := unhex(t, p.Challenge.Parameters["nonce"]), unhex(t, p.Challenge.Parameters["salt"])
	cost := int(p.Challenge.Parameters["cost"].(float64))
	for counter := range uint32(100_000) {
		password := binary.BigEndian.AppendUint32(slices.Clip(nonce), counter)
		key, err := pbkdf2.Key(sha256.New, string(password), salt, cost, 32)
		if err != nil {
			t.Fatal(err)
		}
		if pleases(key) {
			return map[string]any{"counter": counter, "derivedKey": hex.EncodeToString(key), "time": 12.3}
		}
	}
	t.Fatal("no solution among 100,000 counters")
	return nil
}

func unhex(t testing.TB, s any) []byte {
	t.Helper()
	b, err := hex.DecodeString(s.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
