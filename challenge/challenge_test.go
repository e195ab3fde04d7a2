package challenge_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/challenge"
)

func TestIssue_HasTheWireFormOfAltcha(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChallenger(t, forgetful{})
		text, err := json.Marshal(c.Issue(onPage(), 1))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Parameters map[string]any
			Signature  string
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		want := map[string]any{
			"algorithm": "PBKDF2/SHA-256", "cost": 100.0, "keyLength": 32.0, "keyPrefix": "00",
			"expiresAt": float64(now.Add(5 * time.Minute).Unix()),
		}
		for name, value := range want {
			if got.Parameters[name] != value {
				t.Errorf("%s = %v, want %v", name, got.Parameters[name], value)
			}
		}
		if len(got.Parameters) != len(want)+3 { // nonce, salt, data
			t.Errorf("parameters are %v", got.Parameters)
		}
		if a, b := unhex(t, got.Parameters["nonce"]), unhex(t, got.Parameters["salt"]); len(a) != 16 || len(b) != 16 {
			t.Errorf("nonce has %d bytes and salt %d, want 16", len(a), len(b))
		}
		// encoding/json sorts the keys of a map, and nothing here needs escaping.
		sorted, _ := json.Marshal(got.Parameters)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(sorted)
		if want := hex.EncodeToString(mac.Sum(nil)); got.Signature != want {
			t.Errorf("signature = %s, want %s over %s", got.Signature, want, sorted)
		}
	})
}

func TestIssue_SaysNothingOfTheUserInClear(t *testing.T) {
	c := newChallenger(t, forgetful{})
	first, second := c.Issue(byUser(), 1), c.Issue(byUser(), 1)
	text, _ := json.Marshal(first)
	for _, clear := range []string{"192.0.2.7", "c0000207", secret} {
		if strings.Contains(string(text), clear) {
			t.Errorf("%q can be read in %s", clear, text)
		}
	}
	if first.Parameters.Claims.User == second.Parameters.Claims.User {
		t.Error("two challenges of one user can be recognised as that")
	}
	if onPage := c.Issue(onPage(), 1); onPage.Parameters.Claims.User != "" {
		t.Error("a challenge without an address is bound to a user")
	}
}

func TestIssue_MultipliesTheCostWithinBounds(t *testing.T) {
	c := newChallenger(t, forgetful{})
	for _, row := range []struct {
		name        string
		times, want int
	}{
		{"as configured", 1, 100},
		{"four times", 4, 400},
		{"zero counts as one", 0, 100},
		{"negative counts as one", -3, 100},
		{"never over the most", 1 << 40, challenge.MaxCost},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := c.Issue(onPage(), row.times).Parameters.Cost; got != row.want {
				t.Errorf("cost = %d, want %d", got, row.want)
			}
		})
	}
}

func TestNew_RefusesWhatCannotBeSafe(t *testing.T) {
	key := challenge.NewKey(secret)
	for _, row := range []struct {
		name  string
		cfg   challenge.Config
		keys  []challenge.Key
		spent challenge.Spender
		want  string
	}{
		{"no key", cheap(), nil, forgetful{}, "no key"},
		{"empty key", cheap(), []challenge.Key{{ID: "a"}}, forgetful{}, "is empty"},
		{"key without a name", cheap(), []challenge.Key{{Secret: []byte("x")}}, forgetful{}, "has no name"},
		{"the same key twice", cheap(), []challenge.Key{key, key}, forgetful{}, "same name"},
		{"no spender", cheap(), []challenge.Key{key}, nil, "no Spender"},
		{"cost out of range", challenge.Config{Cost: 99, Expires: time.Minute}, []challenge.Key{key}, forgetful{}, "cost: "},
		{"life out of range", challenge.Config{Cost: 100, Expires: 2 * time.Hour}, []challenge.Key{key}, forgetful{}, "expires: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := challenge.New(row.cfg, row.keys, row.spent)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("error is %v, want one with %q", err, row.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Error("the error tells the secret")
			}
		})
	}
}

func TestConfig_ValidateListsEveryMistake(t *testing.T) {
	err := challenge.Config{Cost: 1_000_001, Expires: time.Millisecond}.Validate()
	for _, want := range []string{"cost: ", "expires: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	if err := (challenge.Config{Cost: 1_000_000, Expires: time.Hour}).Validate(); err != nil {
		t.Errorf("the largest values allowed are refused: %v", err)
	}
}

func TestNewKey_NamesAKeyWithoutTellingIt(t *testing.T) {
	a, b := challenge.NewKey("one"), challenge.NewKey("two")
	if a.ID == b.ID || a.ID != challenge.NewKey("one").ID {
		t.Errorf("names are %q, %q", a.ID, b.ID)
	}
}

func BenchmarkIssue(b *testing.B) {
	for _, row := range []struct {
		name    string
		binding challenge.Binding
	}{
		{"page", onPage()},
		{"user", challenge.Binding{Scene: "login", Household: netip.MustParsePrefix("2001:db8::/64")}},
	} {
		b.Run(row.name, func(b *testing.B) {
			c := newChallenger(b, forgetful{})
			b.ReportAllocs()
			for b.Loop() {
				c.Issue(row.binding, 1)
			}
		})
	}
}
