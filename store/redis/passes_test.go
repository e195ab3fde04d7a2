package redis_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/fleet"
	"captchagate/store/redis"
	"captchagate/store/redis/redistest"
)

var (
	wants   = flag.Int("wants", 3000, "random passes about which both boards must agree")
	balance = flag.Duration("balance", time.Second, "for how long instances share a budget")
	races   = flag.Int("races", 500, "tickets for which three clients race")
)

const second = fleet.Ticks(16_000_000)

// opened beats until requests are let to Redis, and returns the last view.
func opened(t testing.TB, b *redis.Board) (v fleet.View) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		v, _ = b.Beat(t.Context(), fleet.Report{ID: "a", Rules: short})
		if _, err := b.Marked(t.Context(), "nothing"); err == nil && v.Gen > 0 {
			return v
		}
	}
	t.Fatal("no request is let to Redis")
	return v
}

// The script that gives passes and its twin in Go agree about whatever is asked for,
// in any order (design of F7 and F9).
func TestBoard_GivesPassesAsTheOneInMemory(t *testing.T) {
	s := redistest.Start(t)
	outcomes, different := compareWants(t, s, *wants, open(t, s))
	if different != "" {
		t.Fatal(different)
	}
	if *wants >= 3000 && len(outcomes) < 5 {
		t.Errorf("the wants were too tame: %v", outcomes)
	}
}

// compareWants asks for random passes, each of one of the boards over s and of one in
// memory, until they are given otherwise. Boards after the first are of the last release,
// which names no attempts.
func compareWants(t *testing.T, s *redistest.Server, wants int, boards ...*redis.Board) (outcomes map[fleet.Outcome]int, different string) {
	t.Helper()
	m, r := fleet.NewMemory(), rand.New(rand.NewPCG(2, uint64(wants)))
	outcomes, gen := map[fleet.Outcome]int{}, int64(0)
	anew := func(run string) {
		for _, b := range boards {
			opened(t, b)
		}
		b := boards[0]
		s.Do("FLUSHALL") // and a beat that both see
		m.Flush()
		v, err := b.Beat(t.Context(), fleet.Report{ID: "a", Rules: short})
		for err != nil {
			s.Do("FLUSHALL")
			v, err = b.Beat(t.Context(), fleet.Report{ID: "a", Rules: short})
		}
		gen = m.BeatAt(v.Now, run, fleet.Report{ID: "a", Rules: short}).Gen
		if gen != v.Gen {
			t.Fatalf("generation %d on Redis, %d in memory", v.Gen, gen)
		}
	}
	anew("0")
	for i := range wants {
		if i%1000 == 999 {
			anew(fmt.Sprint(i))
		}
		w := randomWant(r, gen)
		on := int(w.ID[0]) % len(boards)
		if on > 0 {
			w.ID = w.ID[:1]
		}
		got, err := boards[on].Take(t.Context(), w)
		if err != nil { // a busy machine: what came of it nobody knows
			anew(fmt.Sprint(i))
			continue
		}
		want := m.TakeAt(got.At, w)
		if got.At = want.At; !reflect.DeepEqual(got, want) {
			return outcomes, fmt.Sprintf("want %d: to\n%+v\nRedis answers\n%+v\nmemory\n%+v", i, w, got, want)
		}
		outcomes[got.Outcome]++
	}
	return outcomes, ""
}

func randomWant(r *rand.Rand, gen int64) fleet.Want {
	maybe := func(n int) bool { return r.IntN(n) == 0 }
	age := func() fleet.Ticks {
		if maybe(2) {
			return -1
		}
		return fleet.Ticks(r.Int64N(int64(second / 2)))
	}
	w := fleet.Want{
		Gen: gen, ID: string(rune('a'+r.IntN(3))) + [...]string{"", ".1", ".2"}[r.IntN(3)], Life: time.Hour,
		Clock: fleet.Clock{Name: fmt.Sprint(r.IntN(4)), For: fleet.Ticks(r.Int64N(int64(second / 4))), Begun: age(), Renewed: age(), Again: maybe(2)},
	}
	if maybe(50) {
		w.Gen--
	}
	if maybe(4) {
		w.Clock = fleet.Clock{}
	}
	if maybe(3) {
		w.Claims = []string{fmt.Sprint(fleet.LetMark, r.IntN(2000))}
	}
	if maybe(3) {
		w.Bars = []string{fmt.Sprint(fleet.RefusedMark, "x"), fmt.Sprint(fleet.LetMark, r.IntN(2000))}
	}
	for i := range r.IntN(4) {
		n := 1 + r.IntN(50)
		w.Buckets = append(w.Buckets, fleet.Bucket{Name: fmt.Sprint(i, "-", n), Interval: fleet.Ticks(n) * 1600, Burst: fleet.Ticks(n) * 16_000})
	}
	return w
}

// A ticket for which instances race lets somebody in once (F7).
func TestBoard_GivesATicketOnce(t *testing.T) {
	s := redistest.Start(t)
	boards := []*redis.Board{open(t, s), open(t, s), open(t, s)}
	gen := int64(0)
	for _, b := range boards {
		gen = opened(t, b).Gen
	}
	given, unknown := make([]atomic.Int32, *races), make([]atomic.Int32, *races)
	var wg sync.WaitGroup
	for i, b := range boards {
		wg.Go(func() {
			for n := range *races {
				got, err := b.Take(t.Context(), fleet.Want{Gen: gen, ID: fmt.Sprint(i), Life: time.Hour, Claims: []string{fmt.Sprint(fleet.LetMark, n)}})
				switch {
				case err != nil: // a busy machine
					unknown[n].Add(1)
					opened(t, b)
				case got.Outcome == fleet.Given:
					given[n].Add(1)
				}
			}
		})
	}
	wg.Wait()
	clean := 0
	for n := range *races {
		if g, u := given[n].Load(), unknown[n].Load(); g > 1 || g == 0 && u == 0 {
			t.Errorf("ticket %d let %d in; %d were not answered", n, g, u)
		} else if u == 0 {
			clean++
		}
	}
	t.Logf("%d tickets, of %d all three were answered", *races, clean)
	if clean < *races/2 {
		t.Errorf("of %d tickets only %d were answered to all", *races, clean)
	}
}

// What is given back late is not what a later attempt of the same instance was given, and
// an attempt that Redis hears of late takes nothing over: another instance would let a
// second user in (F7).
func TestBoard_GivesBackOneAttemptOnly(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	ticket := fleet.Want{Gen: opened(t, b).Gen, Life: time.Hour, Claims: []string{fleet.LetMark + "t"}}
	take := func(id string, want fleet.Outcome) {
		t.Helper()
		for ticket.ID = id; ; opened(t, b) {
			got, err := b.Take(t.Context(), ticket)
			if err == nil && got.Outcome != want {
				t.Fatalf("%s: %v, want %v", id, got.Outcome, want)
			} else if err == nil {
				return
			}
		}
	}
	release := func(id string) {
		for b.Release(t.Context(), id, ticket.Claims...) != nil {
			opened(t, b)
		}
	}
	take("a.1", fleet.Given) // and nobody hears of it
	take("a.2", fleet.Given)
	release("a.1")
	take("b.1", fleet.Claimed)
	take("a.1", fleet.Claimed)
	release("a.1")
	take("b.1", fleet.Claimed)
	release("a.2")
	take("b.1", fleet.Given)
}

// However users are spread over the instances, the fleet gives what its budget has: no
// more, and no less (F9).
func TestBoard_BudgetsHoldForTheFleet(t *testing.T) {
	s := redistest.Start(t)
	boards := []*redis.Board{open(t, s), open(t, s), open(t, s)}
	gen := int64(0)
	for _, b := range boards {
		gen = opened(t, b).Gen
	}
	w := fleet.Want{Gen: gen, Buckets: []fleet.Bucket{{Name: "total", Interval: second / 100, Burst: 2 * second}}} // 100 a second, 200 at once
	var mu sync.Mutex
	given, lost := [3]int{}, 0
	var first, last time.Time
	had, left := 0.0, 0.0 // tokens before the first pass, and after the last; the bucket was empty while the board was new
	take := func(i int) bool {
		got, err := boards[i].Take(t.Context(), w)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			lost++
			return false
		}
		if got.Outcome == fleet.Given {
			given[i]++
			tokens := 200 - float64(got.Levels[0])/float64(second)*100
			if first.IsZero() || got.At.Before(first) {
				first, had = got.At, tokens+1
			}
			if got.At.After(last) {
				last, left = got.At, tokens
			}
		}
		return true
	}
	var wg sync.WaitGroup
	ends := time.Now().Add(*balance)
	for i, share := range []int{16, 3, 1} {
		for range share {
			wg.Go(func() {
				for time.Now().Before(ends) {
					if !take(i) {
						opened(t, boards[i])
					}
					<-time.After(10 * time.Millisecond)
				}
			})
		}
	}
	wg.Wait()
	had += last.Sub(first).Seconds() * 100
	sum := float64(given[0] + given[1] + given[2])
	t.Logf("%v given of %.1f, %.1f are left; %d calls lost", given, had, left, lost)
	if sum > had*1.01+1 || sum+left+float64(lost) < had*0.99-1 {
		t.Errorf("%v were given and %.1f left (%d calls without an answer), want %.1f", sum, left, lost, had)
	}
}

// What an emptied Redis has forgotten it does not give anew: the generation that is
// gone gives nothing, and the next one's buckets are empty (F7, F9).
func TestBoard_AFlushBuysNothing(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	v := opened(t, b)
	solution := fleet.Want{Gen: v.Gen, ID: "1", Life: time.Hour, Claims: []string{fleet.SpentMark + "s"}}
	bucket := fleet.Want{Buckets: []fleet.Bucket{{Name: "total", Interval: second * 60, Burst: second * 600}}}
	take := func(w fleet.Want) fleet.Outcome {
		t.Helper()
		for range 20 {
			if got, err := b.Take(t.Context(), w); err == nil {
				return got.Outcome
			}
			opened(t, b)
		}
		t.Fatal("Redis never answers")
		return fleet.Stale
	}
	if got := take(solution); got != fleet.Given {
		t.Fatalf("a solution: %v", got)
	}
	s.Do("FLUSHALL")
	solution.ID = "2"
	if got, err := b.Take(t.Context(), solution); err == nil && got.Outcome != fleet.Stale {
		t.Errorf("the same solution after a flush: %v", got.Outcome)
	}
	after := opened(t, b)
	if got := take(solution); got != fleet.Stale || after.Gen <= v.Gen {
		t.Errorf("the same solution later: %v in generation %d after %d", got, after.Gen, v.Gen)
	}
	if bucket.Gen = after.Gen; take(bucket) != fleet.Over {
		t.Error("a bucket is full after a flush")
	}
	s.Kill()
	s.Restart()
	if bucket.Gen = opened(t, b).Gen; take(bucket) != fleet.Over {
		t.Error("a bucket is full after a restart")
	}
}

// A Redis that stands costs three requests their patience, and the others nothing,
// until it is back (F5).
func TestBoard_KeepsRequestsOffARedisThatStands(t *testing.T) {
	s := redistest.Start(t)
	reg := prometheus.NewRegistry()
	b := openCounting(t, s, reg)
	v := opened(t, b)
	w := fleet.Want{Gen: v.Gen, Claims: []string{"let:1"}, Life: time.Hour}
	s.Stop()
	defer s.Continue()
	for range 1000 {
		if _, err := b.Take(t.Context(), w); !errors.Is(err, redis.ErrAway) {
			t.Fatalf("a Redis that stands answers %v", err)
		}
	}
	if kept := refusedBy(t, reg, "take"); kept != 997 {
		t.Errorf("%v of 1,000 requests were kept off, want all but 3", kept)
	}
	s.Continue()
	opened(t, b)
	if got, err := b.Take(t.Context(), w); err != nil && !errors.Is(err, redis.ErrAway) || err == nil && got.Outcome == fleet.Stale {
		t.Errorf("once it is back: %+v %v", got, err)
	}
}

// refusedBy is how many calls a gate has kept off Redis.
func refusedBy(t *testing.T, reg *prometheus.Registry, call string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "captchagate_redis_refused_total" && m.GetLabel()[0].GetValue() == call {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("nothing counts the refused %s", call)
	return 0
}
