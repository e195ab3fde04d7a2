package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/fleet"
	"captchagate/gateway"
	"captchagate/store/bolt"
	"captchagate/watch"
)

// A witness is an instance of a fleet that sees outages, in virtual time.
type witness struct {
	*watch.Incidents
	cutOff atomic.Bool
	asked  watch.Counts // of what it asks again
	dies   func()
}

// opensWitness starts one over its file. summed is told what it sums up.
func opensWitness(t *testing.T, board *fleet.Memory, path, name string, summed func(string)) *witness {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	file, err := bolt.Open(path, log)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{}
	var over func(watch.Incident)
	ctx, cancel := context.WithCancel(t.Context())
	if w.Incidents, err = watch.NewIncidents(ctx, file, func(i watch.Incident) { over(i) }, log); err != nil {
		t.Fatal(err)
	}
	counts := func(id string) watch.Counts {
		if own := w.Own(time.Time{}); len(own) > 0 && own[0].ID == id {
			return w.asked
		}
		return watch.Counts{}
	}
	over, run := gateway.OpenSharedIncidents(board, name, w.Incidents, func() bool { return !w.cutOff.Load() }, counts, func(i watch.Incident, _ bool) {
		summed(fmt.Sprint(i.ID, answersOf(i)))
	})
	var running sync.WaitGroup
	running.Go(func() { run(ctx) })
	running.Go(func() { w.Run(ctx) })
	w.dies = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		_ = file.Close()
	})
	return w
}

func answersOf(i watch.Incident) (n int64) {
	for _, a := range i.Answers {
		n += a.Count
	}
	return n
}

// answers counts so many answers of an outage.
func (w *witness) answers(n int) {
	for range n {
		w.CountAnswer(watch.Answer{Decision: "allow", Cause: "circuit_open"})
	}
}

// An outage over three instances is one incident on each, with the same id and the sum of
// what all answered, and is summed up once; also for one that joined late, for one that was
// cut off for a part, and after a restart.
func TestSharedIncidents_AnOutageIsOne(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		board := fleet.NewMemory()
		var mu sync.Mutex
		var summed []string
		sum := func(text string) {
			mu.Lock()
			defer mu.Unlock()
			summed = append(summed, text)
		}
		path := func(name string) string { return filepath.Join(folder, name+".db") }
		a, b, c := opensWitness(t, board, path("a"), "a", sum), opensWitness(t, board, path("b"), "b", sum), opensWitness(t, board, path("c"), "c", sum)
		defer b.dies()
		defer c.dies()
		all := []*witness{a, b, c}
		time.Sleep(10 * time.Second)
		for n, w := range all {
			w.asked = watch.Counts{Confirmed: n + 1, Refuted: 1}
			w.Begin(watch.KindCircuit, fmt.Sprint("evidence ", n), time.Now())
			w.answers(10 + n)
			time.Sleep(100 * time.Millisecond)
		}
		c.cutOff.Store(true)
		time.Sleep(20 * time.Second)
		late := opensWitness(t, board, path("late"), "late", sum)
		defer late.dies()
		late.Begin(watch.KindCircuit, "the fleet's", time.Now())
		late.answers(1000)
		c.answers(100)
		time.Sleep(20 * time.Second)
		c.cutOff.Store(false)
		time.Sleep(5 * time.Second)
		id := a.List(10)[0].ID
		expect := func(when string, w *witness, ended bool) {
			t.Helper()
			found := w.List(10)
			if len(found) != 1 {
				t.Fatalf("%s: %d incidents: %+v", when, len(found), found)
			}
			i := found[0]
			if i.ID != id || answersOf(i) != 1133 || (i.Ended != nil) != ended || len(i.Parts) != 1 || i.Evidence != "evidence 0" {
				t.Errorf("%s: %+v, want one %s with 1133 answers, over %v", when, i, id, ended)
			}
			if i.Reverified.Confirmed != 6 || i.Reverified.Refuted != 3 {
				t.Errorf("%s: %+v", when, i.Reverified)
			}
		}
		for n, w := range append(all, late) {
			expect(fmt.Sprint("while it lasts at ", n), w, false)
			if i, ok := w.Find(late.Own(time.Time{})[0].ID); !ok || i.ID != id {
				t.Errorf("the id that the last one gave it is %s, not %s", i.ID, id)
			}
		}
		for _, w := range append(all, late) {
			time.Sleep(300 * time.Millisecond)
			w.End(watch.KindCircuit, time.Now())
		}
		time.Sleep(20 * time.Second)
		for n, w := range append(all, late) {
			expect(fmt.Sprint("after it at ", n), w, true)
		}
		if len(summed) != 1 || summed[0] != fmt.Sprint(id, 1133) {
			t.Errorf("summed up %v, want once with 1133 answers", summed)
		}
		a.dies()
		board.Flush()
		a = opensWitness(t, fleet.NewMemory(), path("a"), "a", sum)
		expect("after a restart, with nobody else", a, true)
		a.Begin(watch.KindForced, "another", time.Now())
		a.End(watch.KindForced, time.Now())
		if n := len(a.List(10)); n != 2 {
			t.Errorf("%d incidents after another one", n)
		}
		a.dies()
	})
}

// An instance that dies in an outage leaves what it counted, and holds its end up for
// nobody. One that alone had an outage at another time has its own.
func TestSharedIncidents_WhoDiesCounts(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		board := fleet.NewMemory()
		a, b := opensWitness(t, board, filepath.Join(folder, "a.db"), "a", func(string) {}), opensWitness(t, board, filepath.Join(folder, "b.db"), "b", func(string) {})
		defer b.dies()
		time.Sleep(10 * time.Second)
		a.Begin(watch.KindAccount, "alone", time.Now())
		a.answers(1)
		time.Sleep(10 * time.Second)
		a.End(watch.KindAccount, time.Now())
		time.Sleep(time.Minute)
		for _, w := range []*witness{a, b} {
			w.Begin(watch.KindCircuit, "both", time.Now())
			w.answers(10)
		}
		time.Sleep(20 * time.Second)
		a.dies()
		time.Sleep(time.Second)
		b.End(watch.KindCircuit, time.Now())
		time.Sleep(4 * time.Minute)
		found := b.List(10)
		if len(found) != 2 || answersOf(found[0]) != 20 || found[0].Ended == nil || !found[0].Interrupted || answersOf(found[1]) != 1 {
			t.Errorf("%+v", found)
		}
	})
}

// An instance that saw an outage in pieces, which others saw as one, sums it up once.
func TestSharedIncidents_PiecesOfOneOutageAreSummedUpOnce(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		board, sums := fleet.NewMemory(), &sumsUp{}
		opens := func(name string) *witness {
			return opensWitness(t, board, filepath.Join(folder, name+".db"), name, sums.add)
		}
		a, b := opens("a"), opens("b")
		defer a.dies()
		defer b.dies()
		a.Begin(watch.KindCircuit, "all the time", time.Now())
		for _, lasts := range []time.Duration{5 * time.Second, 2 * time.Second, 8 * time.Second} {
			b.Begin(watch.KindForced, "a piece", time.Now())
			time.Sleep(lasts)
			b.End(watch.KindForced, time.Now())
			time.Sleep(3 * time.Second)
		}
		a.End(watch.KindCircuit, time.Now())
		time.Sleep(5 * time.Minute)
		if len(sums.list()) != 1 {
			t.Errorf("summed up %v", sums.list())
		}
	})
}

// An outage that ended at one instance, and goes on at another one that dies before it
// could sum it up, is summed up all the same, once.
func TestSharedIncidents_AnEndIsNotLostWithWhoDies(t *testing.T) {
	for _, dies := range []time.Duration{3 * time.Second, 30 * time.Second} { // after its end there, or before
		folder := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			board, sums := fleet.NewMemory(), &sumsUp{}
			opens := func(name string) *witness {
				return opensWitness(t, board, filepath.Join(folder, name+".db"), name, sums.add)
			}
			a, b := opens("a"), opens("b")
			defer b.dies()
			for _, w := range []*witness{a, b} {
				w.Begin(watch.KindCircuit, "both", time.Now())
				w.answers(10)
			}
			time.Sleep(20 * time.Second)
			b.End(watch.KindCircuit, time.Now())
			time.Sleep(15 * time.Second)
			if dies < 10*time.Second {
				a.End(watch.KindCircuit, time.Now())
			}
			time.Sleep(dies)
			a.dies()
			time.Sleep(5 * time.Minute)
			if len(sums.list()) != 1 || !strings.HasSuffix(sums.list()[0], "20") {
				t.Errorf("it died after %v: summed up %v", dies, sums.list())
			}
		})
	}
}

// sumsUp are the incidents that the instances of a fleet summed up.
type sumsUp struct {
	mu  sync.Mutex
	all []string
}

func (s *sumsUp) add(sum string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, sum)
}

func (s *sumsUp) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}
