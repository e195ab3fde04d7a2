package loadtest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"captchagate/loadtest/scenario"
)

// What the tests beside this package need of its inside.

// Fate says in words what an answer is worth to a kind of user.
func Fate(user string, spent bool, status int, body string) string {
	f := judge(user, spent, readAnswer(status, []byte(body)))
	return [...]string{"failed", "verified", "rejected", "allowed", "challenged", "denied", "wrong", "hung up"}[f]
}

// Users are who a scenario's requests come from, in order.
func Users(s scenario.Scenario) (users, scenes, addresses []string, due []time.Duration) {
	for _, one := range plan(s) {
		users, scenes, addresses = append(users, one.user), append(scenes, one.scene), append(addresses, one.address)
		due = append(due, one.due)
	}
	return users, scenes, addresses, due
}

// A Look is what the status told at a time; a Move a transition.
type (
	Look struct {
		At                    float64
		Circuit, Mode, Forced string
	}
	Move struct {
		At       float64
		From, To string
	}
)

// Bands draws the circuit and the mode.
func Bands(looks []Look, transitions []Move, length float64) (circuit, mode []Band) {
	var s states
	for _, l := range looks {
		s.states = append(s.states, state{l.At, l.Circuit, l.Mode, l.Forced})
	}
	for _, m := range transitions {
		s.transitions = append(s.transitions, transition{m.At, m.From, m.To})
	}
	return s.bands(length)
}

// Changes counts changes of state.
func Changes(bands []Band, from, until float64) int { return changes(bands, from, until) }

// A Shot is a request with its outcome.
type Shot struct {
	Due, Took   time.Duration
	Fate, Cause string
	Instance    int // from 0

	Differs  bool          // from what the API gives directly
	Directly time.Duration // how long that took
}

// A Story is what was seen of a gateway in a run.
type Story struct {
	Shots []Shot
	Calls map[float64]int64 // that had reached the API, by time
	Looks []Look
	Moves []Move

	Would map[float64][3]int // that a gateway in shadow had counted: allow, challenge, deny

	Others []Story // of a fleet the other instances: their looks and moves
}

// Told is what a run's record says of a story.
func Told(s scenario.Scenario, story Story, length time.Duration) Run {
	t := &subject{Gateway: Gateway{Name: "test"}, begin: time.Unix(0, 0)}
	outcomes := map[string]outcome{"failed": failed, "verified": verified, "rejected": rejected, "challenged": challenged, "wrong": wrong, "hung up": hungUp}
	for _, one := range story.Shots {
		t.requests = append(t.requests, request{
			user: scenario.Valid, due: one.Due, sent: one.Due, took: one.Took, ended: one.Due + one.Took, tries: 1, outcome: outcomes[one.Fate], answer: &answer{Cause: one.Cause}, instance: one.Instance,
			same: !one.Differs, directly: one.Directly,
		})
	}
	if s.Shadow {
		t.direct = newDirect("127.0.0.1:2")
		for _, at := range slices.Sorted(maps.Keys(story.Would)) {
			n := story.Would[at]
			t.seen.would = append(t.seen.would, would{at, n[0], n[1], n[2]})
		}
	}
	for at := 0.0; at <= length.Seconds()+1; at += 0.25 {
		if calls, ok := story.Calls[at]; ok {
			t.seen.counts = append(t.seen.counts, count{at, calls})
		}
	}
	for i, part := range append([]Story{story}, story.Others...) {
		one := newInstance(Instance{Address: "127.0.0.1:1"}, i)
		for _, l := range part.Looks {
			one.seen.states = append(one.seen.states, state{l.At, l.Circuit, l.Mode, l.Forced})
		}
		for _, m := range part.Moves {
			one.seen.transitions = append(one.seen.transitions, transition{m.At, m.From, m.To})
		}
		t.Instances, t.parts = append(t.Instances, one.Instance), append(t.parts, one)
	}
	return tell(s, []*subject{t}, length, length < s.Length(), "0.00")
}

// OpenRedis starts one that a shell looks after.
func OpenRedis(ctx context.Context, folder string, door bool) (*Redis, error) {
	r, err := newRedis(ctx, []string{"/bin/sh", "-c", `"$@" </dev/null & read x; kill -9 $!; wait $!`, "sh"}, folder, door)
	if err != nil {
		return nil, err
	}
	return r, r.open(ctx)
}

// Fault does to Redis what a scenario's fault of that kind does, and End takes it
// back.
func (r *Redis) Fault(ctx context.Context, kind string) error { return redisDo(kind, 0)(ctx, r) }
func (r *Redis) End(ctx context.Context, kind string) error   { return redisDo(kind, 1)(ctx, r) }

func redisDo(kind string, n int) func(context.Context, *Redis) error {
	return func(ctx context.Context, r *Redis) error {
		return redisActions(0, scenario.RedisFault{Kind: kind})[n].do(ctx, &subject{Gateway: Gateway{Redis: r}})
	}
}

// Tell sends a command and wants an answer, by the way that the gateway takes.
func (r *Redis) Tell(ctx context.Context, command, want string) error {
	by := &Redis{server: strings.TrimSuffix(strings.TrimPrefix(r.url(), "redis://"), "/0")}
	return by.tell(ctx, command, want)
}

// Close ends it.
func (r *Redis) Close() { r.close() }
