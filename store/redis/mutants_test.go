package redis_test

import (
	"strings"
	"testing"
	"time"

	"captchagate/fleet"
	"captchagate/store/redis"
	"captchagate/store/redis/redistest"
)

// A mutant is a script without one of its guards.
type mutant struct{ guard, without, instead string }

// mutated is a script with its mutant; the guard must be in it once.
func mutated(t *testing.T, script string, m mutant) string {
	t.Helper()
	if strings.Count(script, m.without) != 1 {
		t.Fatalf("%s: the script has %q %d times", m.guard, m.without, strings.Count(script, m.without))
	}
	return strings.Replace(script, m.without, m.instead, 1)
}

// A script that lacks a guard is told from its twin: the comparison of both boards has
// the power to find what it is there for (F1 to F4).
func TestBoard_BeatsCatchAMissingGuard(t *testing.T) {
	s := redistest.Start(t)
	lasting := short
	lasting.Window = time.Minute // so that a board is new for long, on a busy machine too
	for _, m := range []mutant{
		{"a verdict counts under its own epoch", "ill and epoch == b.epoch and", "ill and"},
		{"a quorum are two", "k >= 2 and", ""},
		{"a quorum is a half", "2 * k >= n and", ""},
		{"nobody probes while another's lease lives", "free = math.max(free, b['until']) end", "end"},
		{"a report counts under its token", "b.holder == id and b.token == ended_token", "b.holder == id"},
		{"who failed hands over", "free = free + handover end", "end"},
		{"one makes a connection at a time", "wait = math.max(wait, b.candidacy) end", "end"},
		{"the newest switch holds", "(version > b.version or version == b.version and vid > b.vid)", "true"},
		{"what no instance wrote goes", "or b.version == void_version and b.vid == void_id then", "then"},
		{"another server is another generation", "b.run ~= run or b.gen == 0", "b.gen == 0 and b.epoch == 0 and known_gen == 0"},
		{"news are told once", "if not redis.call('ZSCORE', KEYS[kind], ARGV[i]) then", "do"},
	} {
		b := open(t, s)
		b.Use(mutated(t, redis.BeatScript, m), redis.TakeScript)
		if _, different := compareBeats(t, s, 6000, short, b); different == "" {
			t.Errorf("nothing differs without the guard that %s", m.guard)
		}
	}
	b := open(t, s)
	b.Use(mutated(t, redis.BeatScript, mutant{"a board that is new opens nothing", "and now - b.born >= window then", "then"}), redis.TakeScript)
	if _, different := compareBeats(t, s, 100, lasting, b); different == "" {
		t.Error("nothing differs where a board that is new opens")
	}
}

// The same for passes (F7, F9).
func TestBoard_PassesCatchAMissingGuard(t *testing.T) {
	s := redistest.Start(t)
	for _, m := range []mutant{
		{"a generation that is gone gives nothing", "board[1] ~= ARGV[1] or ", ""},
		{"a ticket lets in once", "if by and by ~= ARGV[2] and", "if false and"},
		{"an attempt that comes late takes nothing over", " or by > ARGV[2]", ""},
		{"a refused ticket lets nobody in", "redis.call('EXISTS', KEYS[2 + claims + i]) == 1", "false"},
		{"a bucket that was lost is empty", "or born + burst)", "or 0)"},
		{"a bucket that is empty gives nothing", "if fulls[i] - now > burst then outcome = OVER end", ""},
		{"a clock that has run out gives nothing", "if begun > 0 and now >= begun + limit then outcome = OVER end", ""},
		{"what one instance knows of a clock holds for all", "begun = told end", "end"},
	} {
		b := open(t, s)
		b.Use(redis.BeatScript, mutated(t, redis.TakeScript, m))
		if _, different := compareWants(t, s, 3000, b); different == "" {
			t.Errorf("nothing differs without the guard that %s", m.guard)
		}
	}
}

// Without the gate each request would pay for a Redis that stands, and not three (F5).
func TestBoard_WithoutItsGateAllWait(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	w := fleet.Want{Gen: opened(t, b).Gen, Claims: []string{"let:1"}, Life: time.Hour}
	s.Stop()
	defer s.Continue()
	for n := range 40 {
		b.OpenGate()
		began := time.Now()
		if _, err := b.Take(t.Context(), w); err == nil || time.Since(began) < 20*time.Millisecond {
			t.Fatalf("request %d came back after %v: %v", n, time.Since(began), err)
		}
	}
}
