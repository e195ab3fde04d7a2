package redis_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/fleet"
	"captchagate/store"
	"captchagate/store/redis"
	"captchagate/store/redis/redistest"
)

var beats = flag.Int("beats", 4000, "random beats that both boards must answer alike")

// patience has a busy machine fail no call that a test is not about.
const patience = 20

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, s *redistest.Server) *redis.Board {
	t.Helper()
	return openCounting(t, s, prometheus.NewRegistry())
}

func openCounting(t testing.TB, s *redistest.Server, reg *prometheus.Registry) *redis.Board {
	t.Helper()
	at, err := store.Redis{s.URL()}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	b := redis.New(at, "test:", "tag", patience, quiet, reg)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// short rules, so that all that ends does so within a test.
var short = fleet.Rules{
	Window: 40 * time.Millisecond, Lease: 9 * time.Millisecond, Handover: 3 * time.Millisecond, Candidacy: 4 * time.Millisecond,
	Spacing: time.Millisecond, Initial: 5 * time.Millisecond, Max: 20 * time.Millisecond, Successes: 3,
}

// The board in Lua and the one in Go are twins: whatever instances report, in any
// order, both answer alike, a flush included (design of F1 to F4).
func TestBoard_AnswersAsTheOneInMemory(t *testing.T) {
	s := redistest.Start(t)
	seen, different := compareBeats(t, s, *beats, short, open(t, s))
	if different != "" {
		t.Fatal(different)
	}
	if *beats >= 4000 && (len(seen.states) < 4 || seen.tokens < 20 || seen.news < 100) {
		t.Errorf("the beats were too tame: %+v", seen)
	}
}

// met is what came up while boards were compared.
type met struct {
	states       map[fleet.State]int
	tokens, news int
}

// compareBeats makes random beats, each by one of the boards over s and by one in memory,
// until they are answered otherwise.
func compareBeats(t *testing.T, s *redistest.Server, beats int, rules fleet.Rules, boards ...*redis.Board) (seen met, different string) {
	t.Helper()
	m, r := fleet.NewMemory(), rand.New(rand.NewPCG(1, uint64(beats)))
	seen.states = map[fleet.State]int{}
	last, failed := map[string]fleet.View{}, 0
	anew := func() {
		s.Do("FLUSHALL")
		m.Flush()
	}
	anew()
	for i := range beats {
		if i%1500 == 1499 {
			anew()
		}
		report := randomReport(r, last, len(boards) == 1)
		report.Rules = rules
		b := boards[int(report.ID[0])%len(boards)]
		got, err := b.Beat(t.Context(), report)
		if err != nil { // a busy machine: what came of it nobody knows
			if failed++; failed > 50 {
				t.Fatal(err)
			}
			s.Do("CLIENT KILL TYPE normal") // with what it may still have to do
			anew()
			continue
		}
		want := m.BeatAt(got.Now, fmt.Sprint("run ", (i+1)/1500), report)
		if !reflect.DeepEqual(got, want) {
			return seen, fmt.Sprintf("beat %d: to\n%+v\nRedis answers\n%+v\nmemory\n%+v", i, report, got, want)
		}
		last[report.ID] = got
		seen.states[got.Circuit.State]++
		if got.Token > 0 {
			seen.tokens++
		}
		seen.news += len(got.News[fleet.Audit].Entries)
	}
	return seen, ""
}

// randomReport is what one of five instances may say after what it heard last, and what
// somebody may who is none: the last release believed any version.
func randomReport(r *rand.Rand, last map[string]fleet.View, forged bool) fleet.Report {
	maybe := func(n int) bool { return r.IntN(n) == 0 }
	id := string(rune('a' + r.IntN(5)))
	v := last[id]
	report := fleet.Report{
		ID: id, About: fmt.Appendf(nil, `{"n":%d}`, r.IntN(100)),
		Voting: !maybe(4), Closed: maybe(6), Epoch: v.Circuit.Epoch, Leaves: maybe(100),
		Wants: v.Due || maybe(20), Known: v.Circuit, Gen: v.Gen, Switch: v.Switch,
	}
	report.Ill = report.Voting && maybe(2)
	report.Switch.Body = nil
	if maybe(30) {
		version := v.Switch.Version + uint64(r.IntN(2))
		if forged && r.IntN(20) == 0 { // far ahead, or just not
			version = uint64(v.Now.UnixMilli()) + uint64(r.IntN(2))*3_600_000
		}
		report.Switch = fleet.Register{Version: version, ID: fmt.Sprint(r.IntN(9)), Body: fmt.Appendf(nil, "body %d", r.IntN(100))}
	}
	if forged && maybe(10) { // the last release knows of no void ones
		report.Void = fleet.Register{Version: v.Switch.Version, ID: v.Switch.ID}
		if maybe(2) {
			report.Void.Version++ // another's
		}
	}
	if maybe(50) {
		report.Epoch = uint64(r.IntN(5))
	}
	if v.Token > 0 || maybe(50) {
		report.Ended = fleet.Ended{Made: !maybe(10), Token: v.Token, Finding: []fleet.Finding{fleet.Undecided, fleet.Healthy, fleet.Healthy, fleet.Healthy, fleet.Ill}[r.IntN(5)]}
		if v.Token > 1 && maybe(8) {
			report.Ended.Token-- // another's
		}
	}
	for kind := range report.News {
		report.News[kind].Since = v.News[kind].Since
		for range r.IntN(8) / 6 {
			report.News[kind].Entries = append(report.News[kind].Entries, fmt.Appendf(nil, "entry %d", r.IntN(2000)))
		}
	}
	return report
}

// Whatever stands there as the version of the switch holds up none that an instance throws,
// and none is told to be newer without being so (F1).
func TestBoard_AVersionThatIsNoneHoldsUpNoSwitch(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	for _, version := range []string{"nan", "-nan", "inf", "-inf", "-1", "1e300", "9007199254740993", "0x1", "1.5", "none", "\"\""} {
		s.Do("HSET test:{tag}:fleet version " + version + " vid zz vbody forged")
		none, err := b.Beat(t.Context(), fleet.Report{ID: "a", Rules: short})
		if err != nil || none.Switch.Version > 1 || none.Switch.Newer(fleet.Register{}) != (string(none.Switch.Body) == "forged") {
			t.Errorf("version %s: %v, and is told as %+v", version, err, none.Switch)
		}
		thrown := fleet.Register{Version: 1, ID: "thrown", Body: []byte("body")}
		if _, err := b.Beat(t.Context(), fleet.Report{ID: "a", Rules: short, Switch: thrown, Void: fleet.Register{Version: none.Switch.Version, ID: none.Switch.ID}}); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Beat(t.Context(), fleet.Report{ID: "b", Rules: short}); err != nil || !got.Switch.Is(thrown) || string(got.Switch.Body) != "body" {
			t.Errorf("version %s: %v, and what was thrown after it is %+v", version, err, got.Switch)
		}
		s.Do("HDEL test:{tag}:fleet version vid vbody")
	}
}

// What is written down of the instances is what operators see, and leaves with them.
func TestBoard_TellsTheInstances(t *testing.T) {
	b := open(t, redistest.Start(t))
	for _, id := range []string{"b", "a"} {
		if _, err := b.Beat(t.Context(), fleet.Report{ID: id, About: []byte("about " + id), Rules: short}); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := b.Members(t.Context())
	if err != nil || len(seen) != 2 || string(seen[0].About) != "about "+seen[0].ID || seen[0].Age > 5*time.Second {
		t.Errorf("%+v %v", seen, err)
	}
	if _, err := b.Beat(t.Context(), fleet.Report{ID: "a", Leaves: true, Rules: short}); err != nil {
		t.Fatal(err)
	}
	if seen, err = b.Members(t.Context()); err != nil || len(seen) != 1 || seen[0].ID != "b" {
		t.Errorf("after one has left: %+v %v", seen, err)
	}
}

// What can wait never takes the beat's connection: a beat that finds it taken fails, and
// keeps requests off a Redis that is well (F5).
func TestBoard_BeatsWhateverElseIsAsked(t *testing.T) {
	b := open(t, redistest.Start(t))
	var records []fleet.Record
	for n := range 2_000 {
		records = append(records, fleet.Record{Name: fmt.Sprint(n), Value: make([]byte, 500)})
	}
	if err := b.Keep(t.Context(), "owner", records); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for ctx.Err() == nil {
				_, _ = b.All(ctx, "owner")
				_, _ = b.Members(ctx)
				_, _, _ = b.Look(ctx)
			}
		})
	}
	for range 200 {
		if _, err := b.Beat(t.Context(), fleet.Report{ID: "a", Rules: short}); err != nil {
			t.Errorf("beside others: %v", err)
			break
		}
	}
	cancel()
	others.Wait()
}

// A Redis that is killed or stopped costs its caller no more than the caller's own
// time, and is found again (F5).
func TestBoard_NeverWaitsLongerThanItsCaller(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	beat := func() (time.Duration, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := b.Beat(ctx, fleet.Report{ID: "a", Rules: short})
		return time.Since(began), err
	}
	again := func() {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; {
			if _, err := beat(); err == nil {
				return
			} else if time.Now().After(deadline) {
				t.Fatalf("Redis is not found again: %v", err)
			}
		}
	}
	again()
	for name, fault := range map[string][2]func(){"stopped": {s.Stop, s.Continue}, "killed": {s.Kill, s.Restart}} {
		fault[0]()
		for range 3 {
			if took, err := beat(); !errors.Is(err, redis.ErrAway) || took > 20*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		}
		fault[1]()
		again()
	}
}
