package challenge_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"captchagate/challenge"
)

// FuzzCheck changes solutions. Whatever it makes of them, nothing panics, and a
// solution counts only if it is one of those it began with, in other clothes:
// spent once, it is never good again.
func FuzzCheck(f *testing.F) {
	c := newChallenger(f, new(memory))
	page, user := solve(f, c.Issue(onPage(), 1)), solve(f, c.Issue(byUser(), 1))
	for _, p := range []payload{page, user} {
		text, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, seed := range []string{
		"", "null", "[]", "{}", `{"challenge":{"parameters":{}},"solution":{}}`,
		`{"challenge":{"parameters":{"cost":1e400}}}`, `{"challenge":{"parameters":{"data":{"kid":"\ud800"}}}}`,
		`{"solution":{"counter":-0,"derivedKey":null,"time":"1"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		solution := base64.StdEncoding.EncodeToString(text)
		first, err := c.Check(t.Context(), solution, byUser(), free{})
		if err != nil {
			t.Fatal(err)
		}
		if first.Outcome == challenge.Solved && first.Issued.IsZero() {
			t.Errorf("solved without a date: %s", text)
		}
		if second, _ := c.Check(t.Context(), solution, byUser(), free{}); second.Outcome == challenge.Solved {
			t.Errorf("solved a second time: %s", text)
		}
		// As it came, without base64 of ours around it.
		if raw, _ := c.Check(t.Context(), string(text), byUser(), free{}); raw.Outcome == challenge.Solved {
			t.Errorf("solved: %s", text)
		}
	})
}
