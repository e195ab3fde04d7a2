package challenge_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/challenge"
)

func TestCheck_AcceptsASolutionOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spent := new(memory)
		c := newChallenger(t, spent)
		issued := time.Now()
		solution := solve(t, c.Issue(onPage(), 1)).encode(t)
		time.Sleep(time.Minute)

		r, err := c.Check(t.Context(), solution, byUser(), free{})
		want := challenge.Result{Outcome: challenge.Solved, Cause: "circuit_open", Issued: r.Issued}
		if err != nil || r != want || !r.Issued.Equal(issued) {
			t.Fatalf("first: %+v, %v, want %+v issued at %v", r, err, want, issued)
		}
		for key, life := range spent.life {
			if life < 4*time.Minute {
				t.Errorf("%s is remembered for %v, but could be used for 4m more", key, life)
			}
		}
		if r, _ := c.Check(t.Context(), solution, byUser(), free{}); r.Outcome != challenge.Spent || r.Cause != "circuit_open" {
			t.Errorf("second: %+v, want it spent", r)
		}
	})
}

func TestCheck_TellsSolutionsAskedForByABackend(t *testing.T) {
	c := newChallenger(t, new(memory))
	asked := byUser()
	asked.Cause = "throttled"
	r, err := c.Check(t.Context(), solve(t, c.Issue(asked, 1)).encode(t), byUser(), free{})
	if err != nil || r.Outcome != challenge.Solved || !r.Asked || r.Cause != "throttled" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestCheck_HoldsTheBinding(t *testing.T) {
	other := func(change func(*challenge.Binding)) challenge.Binding {
		b := byUser()
		change(&b)
		return b
	}
	for _, row := range []struct {
		name      string
		issued    challenge.Binding
		presented challenge.Binding
		want      challenge.Outcome
	}{
		{"page, any user", onPage(), byUser(), challenge.Solved},
		{"page, other scene", onPage(), other(func(b *challenge.Binding) { b.Scene = "comment" }), challenge.OtherScene},
		{"user, same", byUser(), byUser(), challenge.Solved},
		{"user, other scene", byUser(), other(func(b *challenge.Binding) { b.Scene = "comment" }), challenge.OtherScene},
		{"user, other household", byUser(), other(func(b *challenge.Binding) { b.Household = netip.MustParsePrefix("192.0.2.8/32") }), challenge.OtherUser},
		{"user, no household", byUser(), onPage(), challenge.OtherUser},
		{"a scene of odd letters", challenge.Binding{Scene: "käse <&>\u2028%\xff"}, challenge.Binding{Scene: "käse <&>\u2028%\xff"}, challenge.Solved},
	} {
		t.Run(row.name, func(t *testing.T) {
			spent := new(memory)
			c := newChallenger(t, spent)
			r, err := c.Check(t.Context(), solve(t, c.Issue(row.issued, 1)).encode(t), row.presented, free{})
			if err != nil || r.Outcome != row.want {
				t.Errorf("got %v, %v, want %v", r.Outcome, err, row.want)
			}
			if row.want != challenge.Solved && len(spent.life) > 0 {
				t.Error("spent, although it was presented in the wrong place")
			}
		})
	}
}

func TestCheck_RefusesTheSameSolutionWrittenAnew(t *testing.T) {
	c := newChallenger(t, new(memory))
	p := solve(t, c.Issue(onPage(), 1))
	text, _ := json.MarshalIndent(p, "", "  ")
	for i, want := range []challenge.Outcome{challenge.Solved, challenge.Spent} {
		solution := [2]string{p.encode(t), base64.StdEncoding.EncodeToString(text)}[i]
		if r, _ := c.Check(t.Context(), solution, byUser(), free{}); r.Outcome != want {
			t.Errorf("form %d: got %v, want %v", i, r.Outcome, want)
		}
	}
}

func TestCheck_ExpiresToTheMillisecond(t *testing.T) {
	for _, row := range []struct {
		name string
		age  time.Duration
		want challenge.Outcome
	}{
		{"in the last moment", 5*time.Minute - time.Millisecond, challenge.Solved},
		{"at the end", 5 * time.Minute, challenge.Expired},
		{"a day later", 24 * time.Hour, challenge.Expired},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(300 * time.Millisecond) // do not begin on a whole second
				c := newChallenger(t, new(memory))
				ch := c.Issue(onPage(), 1)
				if end := time.Now().Add(5 * time.Minute); ch.Parameters.ExpiresAt != end.Unix()+1 {
					t.Errorf("expiresAt = %d, want the second after %d", ch.Parameters.ExpiresAt, end.Unix())
				}
				solution := solve(t, ch).encode(t)
				time.Sleep(row.age)
				r, _ := c.Check(t.Context(), solution, byUser(), free{})
				if r.Outcome != row.want || r.Cause != "circuit_open" {
					t.Errorf("got %+v, want %v", r, row.want)
				}
			})
		})
	}
}

func TestCheck_AWrongAnswerSpendsTheChallenge(t *testing.T) {
	c := newChallenger(t, new(memory))
	p := solve(t, c.Issue(onPage(), 1))
	right := p.encode(t)
	p.Solution["counter"] = 4_000_000_000
	for i, want := range []challenge.Outcome{challenge.Wrong, challenge.Spent} {
		solution := [2]string{p.encode(t), right}[i]
		if r, _ := c.Check(t.Context(), solution, byUser(), free{}); r.Outcome != want {
			t.Errorf("answer %d: got %v, want %v", i, r.Outcome, want)
		}
	}
}

func TestCheck_OneOfManyAtOnceIsSolved(t *testing.T) {
	c := newChallenger(t, new(memory))
	solution := solve(t, c.Issue(onPage(), 1)).encode(t)
	var mu sync.Mutex
	counts := make(map[challenge.Outcome]int)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			r, _ := c.Check(t.Context(), solution, byUser(), free{})
			mu.Lock()
			defer mu.Unlock()
			counts[r.Outcome]++
		})
	}
	wg.Wait()
	if counts[challenge.Solved] != 1 || counts[challenge.Spent] != 199 {
		t.Errorf("outcomes are %v, want 1 solved and 199 spent", counts)
	}
}

type away struct{ error }

func (away) Generation() string                                           { return "" }
func (a away) Known(string) bool                                          { return false }
func (a away) Spend(context.Context, string, time.Duration) (bool, error) { return true, a.error }

func TestCheck_DoesNotPassWithoutTheStore(t *testing.T) {
	gone := errors.New("connection refused")
	c := newChallenger(t, away{gone})
	r, err := c.Check(t.Context(), solve(t, c.Issue(onPage(), 1)).encode(t), byUser(), free{})
	if r.Outcome != challenge.StoreAway || !errors.Is(err, gone) || r.Cause != "circuit_open" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestOutcome_EveryOneHasAName(t *testing.T) {
	seen := make(map[string]bool)
	for _, o := range challenge.Outcomes() {
		if name := o.String(); name == "" || seen[name] {
			t.Errorf("outcome %d is called %q", o, name)
		}
		seen[o.String()] = true
	}
	if len(seen) != int(challenge.Solved)+1 {
		t.Errorf("%d outcomes are listed of %d", len(seen), challenge.Solved+1)
	}
}

// A challenge is spent under the generation of the memory that it was issued in: what was
// issued before something may have been forgotten is another one (F7).
func TestChallenger_SpendsUnderTheGenerationOfTheIssue(t *testing.T) {
	spent := &memory{generation: "7"}
	c := newChallenger(t, spent)
	issued := c.Issue(onPage(), 1)
	if issued.Parameters.Claims.Gen != "7" {
		t.Errorf("the claims are %+v", issued.Parameters.Claims)
	}
	spent.generation = "8"
	r, err := c.Check(t.Context(), solve(t, issued).encode(t), byUser(), free{})
	if r.Outcome != challenge.Solved || err != nil || spent.life["7."+issued.Parameters.Nonce] == 0 {
		t.Errorf("%v %v, spent is %v", r.Outcome, err, spent.life)
	}
}
