package alarms_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/alarms"
)

// A board is what the instances of a fleet share. Its clock is ahead of theirs.
type board struct {
	mu     sync.Mutex
	away   bool
	told   map[alarms.Kind]map[string]alarms.Told
	claims map[alarms.Kind]claim
}

type claim struct {
	by    string
	until time.Time
}

var errAway = errors.New("away")

// A seat is an instance's at the board.
type seat struct {
	*board

	name string
}

func (s seat) Told(context.Context) (map[alarms.Kind]map[string]alarms.Told, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	all := map[alarms.Kind]map[string]alarms.Told{}
	for k, of := range s.told {
		all[k] = map[string]alarms.Told{}
		maps.Copy(all[k], of)
	}
	return all, nil
}

func (s seat) Claim(_ context.Context, k alarms.Kind) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return false, errAway
	}
	if c := s.claims[k]; c.by != s.name && time.Now().Before(c.until) {
		return false, nil
	}
	s.claims[k] = claim{s.name, time.Now().Add(alarms.ClaimLife)}
	return true, nil
}

func (s seat) Tell(_ context.Context, k alarms.Kind, tells map[string]alarms.Told) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	if s.told[k] == nil {
		s.told[k] = map[string]alarms.Told{}
	}
	maps.Copy(s.told[k], tells)
	return nil
}

func (s seat) Ahead() time.Duration { return 3 * time.Second }

func (s seat) is(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// inFleet has three instances tell one receiver.
func inFleet(t *testing.T, story func(t *testing.T, b *board, h *hook, fleet []*post)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, h := &board{told: map[alarms.Kind]map[string]alarms.Told{}, claims: map[alarms.Kind]claim{}}, &hook{}
		var fleet []*post
		for _, name := range []string{"web1", "web2", "web3"} {
			p := &post{t: t, cfg: signed, hook: h, name: name, fleet: seat{b, name}}
			p.opens()
			fleet = append(fleet, p)
		}
		story(t, b, h, fleet)
		for _, p := range fleet {
			p.stop()
		}
	})
}

// all have all instances see something, a moment apart.
func all(fleet []*post, k alarms.Kind, what string) {
	for _, p := range fleet {
		p.Raise(k, "", what, nil)
		pass(300 * time.Millisecond)
	}
}

// What three instances see is told once, each time that it happens.
func TestFleet_TellsOnce(t *testing.T) {
	inFleet(t, func(t *testing.T, _ *board, _ *hook, fleet []*post) {
		for i := range 3 {
			all(fleet, alarms.Opened, fmt.Sprint("opened ", i))
			pass(20 * time.Second)
			all(fleet, alarms.Recovered, fmt.Sprint("recovered ", i))
			pass(5 * time.Minute)
		}
		for _, k := range alarms.Kinds()[2:] {
			all(fleet, k, string(k))
		}
		pass(3 * time.Hour)
		want := "[opened 0 recovered 0 opened 1 recovered 1 opened 2 recovered 2 misconfigured suspect switched script_down script_up pages_failing store_trouble fleet_trouble budget_spent sla_claim]"
		if got := summaries(t, fleet[0]); fmt.Sprint(got) != want {
			t.Errorf("told %q", got)
		}
	})
}

// What one instance alone sees again is not lost, although others told of it not long ago.
func TestFleet_TellsWhatOneSeesAgain(t *testing.T) {
	inFleet(t, func(t *testing.T, _ *board, _ *hook, fleet []*post) {
		all(fleet, alarms.Misconfigured, "first")
		pass(30 * time.Second)
		fleet[1].Raise(alarms.Misconfigured, "", "again", nil)
		pass(5 * time.Minute)
		if got := summaries(t, fleet[0]); fmt.Sprint(got) != "[first again]" {
			t.Errorf("told %q", got)
		}
	})
}

// An instance that dies before it could tell leaves that to another; once it is back it does
// not tell again.
func TestFleet_AnotherTellsForOneThatDied(t *testing.T) {
	inFleet(t, func(t *testing.T, _ *board, h *hook, fleet []*post) {
		h.is(500, "", nil, 0)
		all(fleet, alarms.Opened, "opened")
		pass(10 * time.Second)
		fleet[0].stop() // it has claimed it
		h.fine()
		pass(alarms.ClaimLife + 5*time.Second)
		if got := summaries(t, fleet[0]); fmt.Sprint(got) != "[opened]" {
			t.Errorf("told %q", got)
		}
		fleet[0].start()
		pass(time.Hour)
		if got := summaries(t, fleet[0]); fmt.Sprint(got) != "[opened]" {
			t.Errorf("in the end told %q", got)
		}
	})
}

// Without the board each tells: twice is better than never. What the board misses while it
// is away for a moment is not told twice.
func TestFleet_TellsWithoutTheBoard(t *testing.T) {
	inFleet(t, func(t *testing.T, b *board, _ *hook, fleet []*post) {
		seat{b, ""}.is(true)
		all(fleet, alarms.Opened, "opened")
		pass(2 * time.Second)
		seat{b, ""}.is(false)
		pass(time.Minute)
		if got := summaries(t, fleet[0]); fmt.Sprint(got) != "[opened]" {
			t.Errorf("after a moment told %q", got)
		}
		seat{b, ""}.is(true)
		all(fleet, alarms.ScriptDown, "down")
		pass(time.Minute)
		if got := summaries(t, fleet[0]); fmt.Sprint(got) != "[opened down down down]" {
			t.Errorf("without it told %q", got)
		}
	})
}

// A receiver that is away for long is no burden for each instance.
func TestFleet_OneRepeats(t *testing.T) {
	inFleet(t, func(t *testing.T, _ *board, h *hook, fleet []*post) {
		h.is(500, "", nil, 0)
		all(fleet, alarms.Opened, "opened")
		pass(3 * time.Hour)
		if n := len(h.deliveries()); n > 75 {
			t.Errorf("%d tries", n)
		}
	})
}

// An instance that starts in the midst of what lasts tells nothing that was told; once that
// has ended and begins again, it does.
func TestFleet_WhoStartsLaterTellsNothingOld(t *testing.T) {
	inFleet(t, func(t *testing.T, _ *board, _ *hook, fleet []*post) {
		all(fleet[:2], alarms.Opened, "opened")
		pass(3 * time.Hour)
		fleet[2].Raise(alarms.Opened, "", "opened", nil)
		pass(time.Hour)
		all(fleet, alarms.Recovered, "recovered")
		pass(time.Minute)
		fleet[2].stop()
		fleet[2].start()
		fleet[2].Raise(alarms.Opened, "", "again", nil)
		pass(time.Hour)
		if got := summaries(t, fleet[0]); fmt.Sprint(got) != "[opened recovered again]" {
			t.Errorf("told %q", got)
		}
	})
}
