package once_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"captchagate/once"
)

// atOnce runs work n times at once and waits for all.
func atOnce(n int, work func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { work(i) })
	}
	wg.Wait()
}

// numbers returns a decide function that answers 1, 2, 3…
func numbers() func() int {
	var n atomic.Int64
	return func() int { return int(n.Add(1)) }
}

func TestAnswers_TellsRequestsApart(t *testing.T) {
	type step struct {
		caller, key, body string
		want              int
		replayed          bool
		err               error
	}
	for _, row := range []struct {
		name  string
		steps []step
	}{
		{"the same again", []step{{"shop", "k", "{}", 1, false, nil}, {"shop", "k", "{}", 1, true, nil}, {"shop", "k", "{}", 1, true, nil}}},
		{"another key", []step{{"shop", "k", "{}", 1, false, nil}, {"shop", "l", "{}", 2, false, nil}}},
		{"another caller", []step{{"shop", "k", "{}", 1, false, nil}, {"blog", "k", "{}", 2, false, nil}, {"blog", "k", "[]", 0, false, once.ErrOtherBody}}},
		{"another body", []step{{"shop", "k", "{}", 1, false, nil}, {"shop", "k", "[]", 0, false, once.ErrOtherBody}, {"shop", "k", "{}", 1, true, nil}}},
		{"caller and key that join alike", []step{{"ab", "c", "{}", 1, false, nil}, {"a", "bc", "{}", 2, false, nil}}},
		{"no caller", []step{{"", "k", "{}", 1, false, nil}, {"", "k", "{}", 1, true, nil}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, decide := once.NewAnswers[int](time.Minute, 10, nil), numbers()
			for i, s := range row.steps {
				got, replayed, err := a.Do(t.Context(), s.caller, s.key, []byte(s.body), decide)
				if got != s.want || replayed != s.replayed || !errors.Is(err, s.err) {
					t.Errorf("step %d: %d, %v, %v, want %d, %v, %v", i, got, replayed, err, s.want, s.replayed, s.err)
				}
			}
		})
	}
}

func TestAnswers_LiveFromTheirDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, next := once.NewAnswers[int](5*time.Minute, 10, nil), numbers()
		slow := func() int { time.Sleep(time.Minute); return next() }
		do := func() (int, bool) {
			got, replayed, err := a.Do(t.Context(), "shop", "k", nil, slow)
			if err != nil {
				t.Fatal(err)
			}
			return got, replayed
		}
		do()
		time.Sleep(5*time.Minute - 1)
		if got, replayed := do(); got != 1 || !replayed {
			t.Errorf("a nanosecond before the end: %d, %v", got, replayed)
		}
		time.Sleep(1)
		if got, replayed := do(); got != 2 || replayed {
			t.Errorf("at the end: %d, %v", got, replayed)
		}
	})
}

func TestAnswers_DecidesOnceForAllWhoAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, next := once.NewAnswers[int](time.Minute, 10, nil), numbers()
		var replays atomic.Int64
		atOnce(200, func(int) {
			got, replayed, err := a.Do(t.Context(), "shop", "k", nil, func() int { time.Sleep(time.Second); return next() })
			if got != 1 || err != nil {
				t.Errorf("got %d, %v", got, err)
			}
			if replayed {
				replays.Add(1)
			}
		})
		if replays.Load() != 199 {
			t.Errorf("%d replays of 200, want 199", replays.Load())
		}
	})
}

func TestAnswers_RefusesAnotherBodyWhileDeciding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := once.NewAnswers[int](time.Minute, 10, nil)
		go func() {
			_, _, _ = a.Do(t.Context(), "shop", "k", []byte("{}"), func() int { time.Sleep(time.Hour); return 1 })
		}()
		synctest.Wait()
		began := time.Now()
		if _, _, err := a.Do(t.Context(), "shop", "k", []byte("[]"), numbers()); !errors.Is(err, once.ErrOtherBody) || time.Since(began) > 0 {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		time.Sleep(time.Hour)
	})
}

func TestAnswers_WaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, next := once.NewAnswers[int](time.Minute, 10, nil), numbers()
		slow := func() int { time.Sleep(time.Minute); return next() }
		go func() { _, _, _ = a.Do(t.Context(), "shop", "k", nil, slow) }()
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, replayed, err := a.Do(ctx, "shop", "k", nil, slow)
		if !errors.Is(err, context.DeadlineExceeded) || replayed || time.Since(began) != time.Second {
			t.Errorf("got %v, %v after %v", replayed, err, time.Since(began))
		}
		if got, replayed, err := a.Do(t.Context(), "shop", "k", nil, slow); got != 1 || !replayed || err != nil {
			t.Errorf("who stays gets %d, %v, %v", got, replayed, err)
		}
	})
}

// A panic goes to the one who caused it; the next in line decides.
func TestAnswers_APanicHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, next := once.NewAnswers[int](time.Minute, 10, nil), numbers()
		panicked := make(chan any, 1)
		go func() {
			defer func() { panicked <- recover() }()
			_, _, _ = a.Do(t.Context(), "shop", "k", nil, func() int { time.Sleep(time.Second); panic("oh") })
		}()
		synctest.Wait()
		var replays atomic.Int64
		atOnce(10, func(int) {
			got, replayed, err := a.Do(t.Context(), "shop", "k", nil, next)
			if got != 1 || err != nil {
				t.Errorf("got %d, %v", got, err)
			}
			if replayed {
				replays.Add(1)
			}
		})
		if got := <-panicked; got != "oh" {
			t.Errorf("the panic became %v", got)
		}
		if replays.Load() != 9 {
			t.Errorf("%d of 10 got another's answer, want 9", replays.Load())
		}
	})
}

func TestAnswers_DropTheOldestBeyondTheirBound(t *testing.T) {
	a, decide := once.NewAnswers[int](time.Minute, 10, nil), numbers()
	do := func(n int) (replayed bool) {
		_, replayed, err := a.Do(t.Context(), "shop", strconv.Itoa(n), nil, decide)
		if err != nil {
			t.Fatal(err)
		}
		return replayed
	}
	for n := range 25 {
		do(n)
	}
	if a.Len() != 10 {
		t.Errorf("%d answers, want 10", a.Len())
	}
	for n := 24; n >= 15; n-- {
		if !do(n) {
			t.Errorf("answer %d is gone", n)
		}
	}
	if do(14) {
		t.Error("answer 14 is there")
	}
}

// An answer takes as much of the bound as it weighs; one that outweighs it stands alone.
func TestAnswers_AreBoundedByTheirWeight(t *testing.T) {
	a := once.NewAnswers(time.Minute, 100, func(n int) int { return n })
	for _, c := range []struct {
		key         string
		weight, len int
	}{{"a", 40, 1}, {"b", 60, 2}, {"c", 1, 2}, {"d", 39, 3}, {"e", 100, 1}, {"f", 500, 1}, {"g", 1, 1}, {"h", 99, 2}} {
		if _, _, err := a.Do(t.Context(), "shop", c.key, nil, func() int { return c.weight }); err != nil || a.Len() != c.len {
			t.Errorf("%s: %d answers, %v, want %d", c.key, a.Len(), err, c.len)
		}
	}
}

func TestAnswers_HaveRoomForOneAtLeast(t *testing.T) {
	a, decide := once.NewAnswers[int](time.Minute, 0, nil), numbers()
	for _, c := range []struct {
		key      string
		replayed bool
	}{{"k", false}, {"k", true}, {"l", false}, {"k", false}} {
		if _, replayed, err := a.Do(t.Context(), "shop", c.key, nil, decide); replayed != c.replayed || err != nil || a.Len() != 1 {
			t.Errorf("%s: replayed %v, %v; %d answers", c.key, replayed, err, a.Len())
		}
	}
}

// What was dropped is let go of at once, not when its place is needed again.
func TestAnswers_LetGoOfWhatTheyDrop(t *testing.T) {
	a := once.NewAnswers[*[1 << 20]byte](time.Minute, 1, nil)
	do := func(key string) weak.Pointer[[1 << 20]byte] {
		v, _, err := a.Do(t.Context(), "shop", key, nil, func() *[1 << 20]byte { return new([1 << 20]byte) })
		if err != nil {
			t.Fatal(err)
		}
		return weak.Make(v)
	}
	first, second := do("first"), do("second")
	runtime.GC()
	if first.Value() != nil || second.Value() == nil {
		t.Errorf("the dropped answer is in memory: %v, the kept one: %v", first.Value() != nil, second.Value() != nil)
	}
	runtime.KeepAlive(a)
}

func TestAnswers_KeepOnlyWhatLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, decide := once.NewAnswers[int](time.Minute, 1000, nil), numbers()
		for n := range 500 {
			_, _, _ = a.Do(t.Context(), "shop", strconv.Itoa(n), nil, decide)
			time.Sleep(time.Second)
			if a.Len() > 61 {
				t.Fatalf("%d answers in memory after %d s", a.Len(), n+1)
			}
		}
	})
}

func TestAnswers_ManyCallersAtOnce(t *testing.T) {
	a := once.NewAnswers[string](time.Minute, 50, nil) // so few that they are dropped all the time
	atOnce(100, func(i int) {
		for n := range 100 {
			k := strconv.Itoa(n)
			got, _, err := a.Do(t.Context(), "shop", k, []byte(k), func() string { return "answer " + k })
			if err != nil || got != "answer "+k {
				t.Errorf("request %d of %d: %q, %v", n, i, got, err)
			}
		}
	})
	if a.Len() > 50 {
		t.Errorf("%d answers, want at most 50", a.Len())
	}
}

func BenchmarkAnswers_Do(b *testing.B) {
	a := once.NewAnswers[int](5*time.Minute, 100_000, nil)
	body := []byte(`{"ticket":"` + fmt.Sprintf("%0512d", 0) + `"}`)
	var next atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _, _ = a.Do(b.Context(), "shop", strconv.FormatUint(next.Add(1), 10), body, func() int { return 1 })
		}
	})
}
