package challenge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"captchagate/challenge"
)

// Altcha's own library solves our challenges, holds our signature for right,
// and makes challenges with our secret that we take.
func TestChallenge_IsSolvedByAltchasOwnLibrary(t *testing.T) {
	solver := installAltcha(t)
	c := newChallenger(t, new(memory))
	odd := challenge.Binding{Scene: "käse <&>\u2028\"%+", Cause: "budget_spent circuit_open"}
	bindings := []challenge.Binding{onPage(), byUser(), odd}
	var asked struct {
		Secret     string                `json:"secret"`
		Challenges []challenge.Challenge `json:"challenges"`
	}
	asked.Secret = secret
	for _, b := range bindings {
		asked.Challenges = append(asked.Challenges, c.Issue(b, 1))
	}

	for i, answer := range solver.solve(t, asked) {
		b := bindings[i]
		if !answer.Verified {
			t.Errorf("scene %q: altcha-lib does not hold our challenge for solved", b.Scene)
		}
		for whose, payload := range map[string]string{"ours": answer.Payload, "theirs": answer.OwnPayload} {
			r, err := c.Check(t.Context(), payload, b, free{})
			// A challenge of theirs repeats our claims, but its nonce is another
			// one, so that one bound to a user is not for this user.
			want := challenge.Solved
			if whose == "theirs" && b.Household.IsValid() {
				want = challenge.OtherUser
			}
			if err != nil || r.Outcome != want || r.Cause != b.Cause {
				t.Errorf("scene %q, %s: got %+v, %v, want %v", b.Scene, whose, r, err, want)
			}
		}
	}
}

// An altcha is a folder with altcha-lib in it.
type altcha string

type altchaAnswer struct {
	Verified            bool
	Payload, OwnPayload string
}

func (dir altcha) solve(t *testing.T, asked any) []altchaAnswer {
	t.Helper()
	input, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "solve.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = string(dir), bytes.NewReader(input), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("node solve.mjs: %v", err)
	}
	var answers []altchaAnswer
	if err := json.Unmarshal(output, &answers); err != nil || len(answers) == 0 {
		t.Fatalf("node solve.mjs wrote %q: %v", output, err)
	}
	return answers
}

// installAltcha installs what testdata/altcha/package-lock.json names into a
// temporary folder. Where that cannot be done it skips, or fails where CI=true.
func installAltcha(t *testing.T) altcha {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			missing("needs %s on PATH for altcha-lib: %v", program, err)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "solve.mjs"} {
		text, err := os.ReadFile(filepath.Join("testdata", "altcha", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		missing("npm ci could not install altcha-lib: %v\n%s", err, output)
	}
	return altcha(dir)
}
