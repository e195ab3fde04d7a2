package web_test

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"captchagate/challenge"
	"captchagate/web"
)

// node runs a script of testdata in a folder and hands it the input as JSON; it
// returns what the script wrote.
func node(t *testing.T, dir, script string, input any) []byte {
	t.Helper()
	program, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node is not on PATH, and CI=true asks for it")
		}
		t.Skip("node is not on PATH")
	}
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, script)
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(text), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", script, err, output)
	}
	return output
}

// Browsers that are years old read all of it: what is served parses as ES2019, and so do
// the files that it is made of.
func TestScripts_AreWrittenInES2019(t *testing.T) {
	dir := install(t)
	texts := map[string]string{"newer": "a?.b"} // which has to fail
	c := newClient(t, web.Config{})
	for _, name := range scripts {
		texts["served "+name] = get(c, "GET", "/client/"+name).Body.String()
		text, err := os.ReadFile(filepath.Join("client", name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	var failed map[string]string
	if err := json.Unmarshal(node(t, dir, "parse.cjs", texts), &failed); err != nil {
		t.Fatal(err)
	}
	for name, reason := range failed {
		if name != "newer" {
			t.Errorf("%s: %s", name, reason)
		}
	}
	if failed["newer"] == "" {
		t.Error("the parser takes what is newer, too")
	}
}

// A forgetful spender takes every solution for the first.
type forgetful struct{}

func (forgetful) Generation() string { return "" }
func (forgetful) Known(string) bool  { return false }

func (forgetful) Spend(context.Context, string, time.Duration) (bool, error) { return true, nil }

// Who is free pays for nothing.
type free struct{}

func (free) Network() netip.Prefix { return netip.MustParsePrefix("192.0.2.0/24") }
func (free) Take(int) bool         { return true }
func (free) Return(int)            {}

func newChallenger(t *testing.T) *challenge.Challenger {
	t.Helper()
	cfg := challenge.Config{Cost: 100, Expires: time.Minute}
	c, err := challenge.New(cfg, []challenge.Key{challenge.NewKey("a secret of thirty-two characters")}, forgetful{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var binding = challenge.Binding{Scene: "käse", Cause: "forced"}

// A derivation is one that the solver made by hand.
type derivation struct {
	Nonce, Salt     string
	Cost, KeyLength int
	Counter         int
	Derived         string
}

// Without a DOM, workers, WebCrypto, timers and all else that a browser adds to
// the language, the solver derives what Go does, and what it solves the gateway
// takes.
func TestSolver_NeedsNothingButTheLanguage(t *testing.T) {
	source := get(newClient(t, web.Config{}), "GET", "/client/solver.js").Body.String()
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return hex.EncodeToString(b)
	}
	var asked struct {
		Source      string
		Derivations []derivation
		Challenge   challenge.Challenge
	}
	asked.Source = source
	for i := range 40 {
		asked.Derivations = append(asked.Derivations, derivation{
			Nonce: text(i * 2), Salt: text(i * 3), Cost: 1 + i*i, KeyLength: 1 + i*2, Counter: random.IntN(1 << 30),
		})
	}
	challenger := newChallenger(t)
	asked.Challenge = challenger.Issue(binding, 1)

	var got struct {
		Derived  []string
		Solution string
	}
	if err := json.Unmarshal(node(t, "testdata", "solve.cjs", asked), &got); err != nil {
		t.Fatal(err)
	}
	for i, d := range asked.Derivations {
		nonce, _ := hex.DecodeString(d.Nonce)
		salt, _ := hex.DecodeString(d.Salt)
		password := append(nonce, byte(d.Counter>>24), byte(d.Counter>>16), byte(d.Counter>>8), byte(d.Counter))
		want, err := pbkdf2.Key(sha256.New, string(password), salt, d.Cost, d.KeyLength)
		if err != nil {
			t.Fatal(err)
		}
		if got.Derived[i] != hex.EncodeToString(want) {
			t.Errorf("%+v gives %s, want %x", d, got.Derived[i], want)
		}
	}
	if r, err := challenger.Check(t.Context(), got.Solution, binding, free{}); err != nil || r.Outcome != challenge.Solved {
		t.Errorf("the gateway says %+v, %v to %s", r, err, got.Solution)
	}
}

// What README.md shows for mini programs brings the backend a solution that the
// gateway takes.
func TestSolver_MiniProgramOfTheREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, apps, _ := strings.Cut(string(readme), "**In a mini program**")
	recipe := regexp.MustCompile("(?s)```js\\n(.*?)```").FindStringSubmatch(apps)
	if recipe == nil {
		t.Fatal("README.md shows no mini program")
	}
	challenger := newChallenger(t)
	var got struct {
		Sent     []struct{ User, Ticket, Challenge string }
		Shown    int
		Decision string
	}
	output := node(t, "testdata", "mini.cjs", map[string]any{
		"Source": get(newClient(t, web.Config{}), "GET", "/client/solver.js").Body.String(), "Recipe": recipe[1], "Challenge": challenger.Issue(binding, 1),
	})
	if err := json.Unmarshal(output, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Sent) != 2 || got.Decision != "allow" || got.Shown == 0 || got.Sent[1].User != "anna" || got.Sent[1].Ticket != "" {
		t.Fatalf("it came to %+v", got)
	}
	if r, err := challenger.Check(t.Context(), got.Sent[1].Challenge, binding, free{}); err != nil || r.Outcome != challenge.Solved {
		t.Errorf("the gateway says %+v, %v", r, err)
	}
}
