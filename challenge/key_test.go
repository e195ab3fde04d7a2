package challenge_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/challenge"
)

func TestCheck_TakesTheOlderKeysToo(t *testing.T) {
	spent := new(memory)
	before := newChallenger(t, spent)
	after := newChallenger(t, spent, "the secret that follows")
	old := solve(t, before.Issue(onPage(), 1)).encode(t)
	fresh := solve(t, after.Issue(onPage(), 1)).encode(t)
	if r, _ := after.Check(t.Context(), old, byUser(), free{}); r.Outcome != challenge.Solved {
		t.Errorf("signed with the older key: %v", r.Outcome)
	}
	if r, _ := before.Check(t.Context(), fresh, byUser(), free{}); r.Outcome != challenge.Forged {
		t.Errorf("signed with a key not known: %v", r.Outcome)
	}
}

// resign changes the parameters of a challenge and signs them as somebody would
// who has got hold of a key.
func (p *payload) resign(t *testing.T, with string, change func(*payload)) {
	t.Helper()
	change(p)
	text, err := json.Marshal(p.Challenge.Parameters)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(with))
	mac.Write(text)
	p.Challenge.Signature = hex.EncodeToString(mac.Sum(nil))
	p.Solution = derive(t, *p, func(key []byte) bool { return key[0] == 0 })
}

// A challenge that is made up with a key that leaked is told from ours once the
// key is changed, and before that cannot be cheaper or live longer.
func TestRotate_AnOldKeyIsDeadAMinuteAfterItsLastChallenge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		c := newChallenger(t, new(memory))
		next := challenge.NewKey("the secret that follows")
		made := c.Issue(onPage(), 1)
		forges := func() challenge.Outcome {
			p := solve(t, made)
			p.resign(t, secret, func(p *payload) {
				now := time.Now()
				p.Challenge.Parameters["nonce"] = hex.EncodeToString([]byte(now.Format("20060102 15:04.5")))[:32]
				p.data()["issued"], p.data()["until"] = millis(now), millis(now.Add(5*time.Minute))
			})
			r, err := c.Check(t.Context(), p.encode(t), byUser(), free{})
			if err != nil {
				t.Fatal(err)
			}
			return r.Outcome
		}
		rotates := func(keys ...challenge.Key) {
			t.Helper()
			if err := c.Rotate(keys); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		if got := forges(); got != challenge.Solved {
			t.Fatalf("made with the key that signs: %v", got)
		}
		rotates(next)
		for _, step := range []struct {
			sleep time.Duration
			want  challenge.Outcome
		}{{time.Second, challenge.Solved}, {6*time.Minute - 2*time.Second, challenge.Solved}, {time.Second, challenge.Forged}, {24 * time.Hour, challenge.Forged}} {
			time.Sleep(step.sleep)
			if step.sleep == 6*time.Minute-2*time.Second {
				rotates(next) // another reload that changes nothing gives the old key no longer life
			}
			if got := forges(); got != step.want {
				t.Errorf("%v later: %v, want %v", step.sleep, got, step.want)
			}
		}
		rotates(challenge.NewKey(secret)) // back to the earlier one
		if got := forges(); got != challenge.Solved {
			t.Errorf("configured again: %v", got)
		}
		rotates(next, challenge.NewKey(secret))
		time.Sleep(time.Hour)
		if got := forges(); got != challenge.Solved {
			t.Errorf("still in the list: %v", got)
		}
	})
}

func TestRotate_RefusesWhatCannotSign(t *testing.T) {
	c := newChallenger(t, new(memory))
	for name, keys := range map[string][]challenge.Key{"none": nil, "an empty one": {{ID: "a"}}} {
		if c.Rotate(keys) == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if r, _ := c.Check(t.Context(), solve(t, c.Issue(onPage(), 1)).encode(t), byUser(), free{}); r.Outcome != challenge.Solved {
		t.Errorf("what was refused changed something: %v", r.Outcome)
	}
}

// A signature is not all: what could never have been issued does not count.
func TestCheck_HoldsAChallengeToWhatIsConfigured(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*payload, time.Time)
		want   challenge.Outcome
	}{
		{"as issued", func(*payload, time.Time) {}, challenge.Solved},
		{"of cost 1", func(p *payload, _ time.Time) { p.Challenge.Parameters["cost"] = 1.0 }, challenge.OtherTerms},
		{"a little cheaper", func(p *payload, _ time.Time) { p.Challenge.Parameters["cost"] = 99.0 }, challenge.OtherTerms},
		{"dearer", func(p *payload, _ time.Time) { p.Challenge.Parameters["cost"] = 400.0 }, challenge.Solved},
		{"for a year", func(p *payload, now time.Time) { p.data()["until"] = millis(now.AddDate(1, 0, 0)) }, challenge.OtherTerms},
		{"a moment longer", func(p *payload, now time.Time) { p.data()["until"] = millis(now.Add(5*time.Minute + time.Millisecond)) }, challenge.OtherTerms},
		{"from tomorrow", func(p *payload, now time.Time) {
			p.data()["issued"], p.data()["until"] = millis(now.Add(24*time.Hour)), millis(now.Add(24*time.Hour+time.Minute))
		}, challenge.OtherTerms},
		{"from an instance whose clock is ahead", func(p *payload, now time.Time) {
			p.data()["issued"], p.data()["until"] = millis(now.Add(10*time.Second)), millis(now.Add(5*time.Minute))
		}, challenge.Solved},
		{"from no time at all", func(p *payload, _ time.Time) { p.data()["issued"] = "x" }, challenge.OtherTerms},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
			spent := new(memory)
			c := newChallenger(t, spent)
			p := solve(t, c.Issue(onPage(), 1))
			p.resign(t, secret, func(p *payload) { row.change(p, time.Now()) })
			r, err := c.Check(t.Context(), p.encode(t), byUser(), free{})
			if err != nil || r.Outcome != row.want {
				t.Errorf("%s: %v, %v, want %v", row.name, r.Outcome, err, row.want)
			}
			if row.want != challenge.Solved && len(spent.life) > 0 {
				t.Errorf("%s: spent", row.name)
			}
		})
	}
}

func millis(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }
