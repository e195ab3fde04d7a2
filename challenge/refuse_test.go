package challenge_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"captchagate/challenge"
)

// Every claim and parameter is covered by the signature, and a number or a name
// written in another way is not a way around it.
func TestCheck_RefusesWhatWasChanged(t *testing.T) {
	set := func(name string, value any) func(*payload) {
		return func(p *payload) { p.Challenge.Parameters[name] = value }
	}
	claim := func(name, value string) func(*payload) {
		return func(p *payload) { p.data()[name] = value }
	}
	for _, row := range []struct {
		name   string
		change func(*payload)
		want   challenge.Outcome
	}{
		{"nothing", func(*payload) {}, challenge.Solved},
		{"cheaper", set("cost", 99), challenge.Forged},
		{"later", set("expiresAt", int64(9e9)), challenge.Forged},
		{"other nonce", set("nonce", strings.Repeat("ab", 16)), challenge.Forged},
		{"other salt", set("salt", strings.Repeat("ab", 16)), challenge.Forged},
		{"other scene", claim("scene", "comment"), challenge.Forged},
		{"other cause", claim("cause", "forced"), challenge.Forged},
		{"other start", claim("issued", "1"), challenge.Forged},
		{"other end", claim("until", "9999999999999"), challenge.Forged},
		{"bound afterwards", claim("user", strings.Repeat("ab", 16)), challenge.Forged},
		{"unknown key", claim("kid", "00000000"), challenge.Forged},
		{"no signature", func(p *payload) { p.Challenge.Signature = "" }, challenge.Forged},
		{"signature not hex", func(p *payload) { p.Challenge.Signature = "zz" }, challenge.Forged},
		{"no data", func(p *payload) { delete(p.Challenge.Parameters, "data") }, challenge.Forged},
		{"prefix that needs no work", set("keyPrefix", ""), challenge.Malformed},
		{"short key", set("keyLength", 1), challenge.Malformed},
		{"other algorithm", set("algorithm", "SHA-256"), challenge.Malformed},
		{"no cost", set("cost", 0), challenge.Malformed},
		{"cost without bounds", set("cost", 2_000_000_000), challenge.Malformed},
		{"broken cost", set("cost", 100.5), challenge.Malformed},
		{"unknown parameter", set("parallelism", 1), challenge.Malformed},
		{"unknown claim", claim("admin", "yes"), challenge.Malformed},
		{"other key claimed", func(p *payload) { p.Solution["derivedKey"] = "00" + strings.Repeat("ab", 31) }, challenge.Wrong},
		{"other counter", func(p *payload) { p.Solution["counter"] = 4_000_000_000 }, challenge.Wrong},
		{"negative counter", func(p *payload) { p.Solution["counter"] = -1 }, challenge.Malformed},
		{"counter beyond 32 bits", func(p *payload) { p.Solution["counter"] = int64(1) << 32 }, challenge.Malformed},
		{"short derived key", func(p *payload) { p.Solution["derivedKey"] = "00" }, challenge.Malformed},
		{"no solution", func(p *payload) { p.Solution = nil }, challenge.Malformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newChallenger(t, new(memory))
			p := solve(t, c.Issue(onPage(), 1))
			row.change(&p)
			if r, err := c.Check(t.Context(), p.encode(t), byUser(), free{}); err != nil || r.Outcome != row.want {
				t.Errorf("got %v, %v, want %v", r.Outcome, err, row.want)
			}
		})
	}
}

// A right derivation without the prefix is no work done.
func TestCheck_RefusesAKeyWithoutThePrefix(t *testing.T) {
	c := newChallenger(t, new(memory))
	p := solve(t, c.Issue(onPage(), 1))
	p.Solution = derive(t, p, func(key []byte) bool { return key[0] != 0 })
	if r, _ := c.Check(t.Context(), p.encode(t), byUser(), free{}); r.Outcome != challenge.Wrong {
		t.Errorf("got %v, want wrong", r.Outcome)
	}
}

func TestCheck_RefusesWhatIsNoSolution(t *testing.T) {
	c := newChallenger(t, new(memory))
	good := solve(t, c.Issue(onPage(), 1))
	text, _ := json.Marshal(good)
	b64 := base64.StdEncoding.EncodeToString
	for _, row := range []struct{ name, solution string }{
		{"empty", ""},
		{"not base64", "solved!"},
		{"JSON, nothing in it", "{}"},
		{"not JSON", b64([]byte("solved"))},
		{"null", b64([]byte("null"))},
		{"empty object", b64([]byte("{}"))},
		{"list", b64([]byte("[]"))},
		{"half", b64(text[:len(text)/2])},
		{"something behind it", b64(append(text, "{}"...))},
		{"unknown field", b64([]byte(strings.Replace(string(text), "{", `{"more":1,`, 1)))},
		{"too long", b64([]byte(string(text) + strings.Repeat(" ", challenge.MaxSolution)))},
		{"deep", b64([]byte(strings.Repeat("[", 3000)))},
		{"JSON, half", string(text[:len(text)/2])},
		{"JSON, something behind it", string(text) + "{}"},
		{"JSON, unknown field", strings.Replace(string(text), "{", `{"more":1,`, 1)},
		{"JSON, too long", string(text) + strings.Repeat(" ", challenge.MaxSolution)},
		{"JSON, in a list", "[" + string(text) + "]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := c.Check(t.Context(), row.solution, byUser(), free{})
			if err != nil || r != (challenge.Result{Outcome: challenge.Malformed}) {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
	if r, _ := c.Check(t.Context(), " "+string(text)+"\n", byUser(), free{}); r.Outcome != challenge.Solved {
		t.Errorf("the solution as JSON is %v", r.Outcome)
	}
	if r, _ := c.Check(t.Context(), good.encode(t), byUser(), free{}); r.Outcome != challenge.Spent {
		t.Errorf("and then as base64 %v: one challenge is answered once however it is written", r.Outcome)
	}
	good = solve(t, c.Issue(onPage(), 1))
	if r, _ := c.Check(t.Context(), good.encode(t), byUser(), free{}); r.Outcome != challenge.Solved {
		t.Errorf("the solution that the rows were made of is itself %v", r.Outcome)
	}
}
