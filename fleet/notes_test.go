package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/fleet"
)

// A flaky marker is a board that may be away.
type flaky struct {
	*fleet.Memory
	away atomic.Bool
}

func (f *flaky) Release(ctx context.Context, id string, names ...string) error {
	if f.away.Load() {
		return errors.New("away")
	}
	return f.Memory.Release(ctx, id, names...)
}

func (f *flaky) Mark(ctx context.Context, marks []fleet.Mark) error {
	if f.away.Load() {
		return errors.New("away")
	}
	return f.Memory.Mark(ctx, marks)
}

// What an instance knows of a ticket the others can read at once, or half a second later;
// also once a board is back that was away, or that was lost (A6, A7).
func TestNotes_AreOnTheBoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := &flaky{Memory: fleet.NewMemory()}
		var gen atomic.Int64
		n := fleet.NewNotes(board, "me", gen.Load)
		ctx, cancel := context.WithCancel(t.Context())
		go n.Run(ctx)
		expect := func(when string, names ...string) {
			t.Helper()
			synctest.Wait()
			marked, _ := board.Marked(t.Context(), "fate:1", "refused:1", "refused:2")
			want := []bool{false, false, false}
			for _, name := range names {
				for i, of := range []string{"fate:1", "refused:1", "refused:2"} {
					want[i] = want[i] || of == name
				}
			}
			if fmt.Sprint(marked) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", when, marked, want)
			}
		}
		n.Add("fate:1", time.Minute, true)
		expect("at once", "fate:1")
		n.Add("refused:1", time.Minute, false)
		expect("what can wait", "fate:1")
		time.Sleep(500 * time.Millisecond)
		expect("half a second later", "fate:1", "refused:1")
		board.away.Store(true)
		n.Add("refused:2", 30*time.Second, true)
		time.Sleep(10 * time.Second)
		board.away.Store(false)
		time.Sleep(500 * time.Millisecond)
		expect("once the board is back", "fate:1", "refused:1", "refused:2")
		board.Flush()
		expect("after a flush")
		gen.Add(1)
		time.Sleep(500 * time.Millisecond)
		expect("once the flush was noticed", "fate:1", "refused:1", "refused:2")
		time.Sleep(20 * time.Second)
		expect("after the life of the last", "fate:1", "refused:1")
		cancel()
	})
}

// What an instance only lends is on the board until it is taken back, also if the board
// was away then; another's mark of the name stays (A6).
func TestNotes_TakeBackWhatTheyLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := &flaky{Memory: fleet.NewMemory()}
		n := fleet.NewNotes(board, "me", func() int64 { return 1 })
		ctx, cancel := context.WithCancel(t.Context())
		go n.Run(ctx)
		defer cancel()
		expect := func(when string, want ...bool) {
			t.Helper()
			synctest.Wait()
			if marked, _ := board.Marked(t.Context(), "stands:1", "stands:2", "fate:1"); fmt.Sprint(marked) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", when, marked, want)
			}
		}
		n.Lend("stands:1", time.Minute)
		n.Lend("stands:2", time.Minute)
		expect("lent", true, true, false)
		n.Add("fate:1", time.Minute, true)
		n.Remove("stands:1")
		expect("one is taken back", false, true, true)
		n.Remove("stands:1") // it is not there
		board.away.Store(true)
		n.Remove("stands:2")
		expect("the board is away", false, true, true)
		n.Lend("stands:1", time.Minute)
		n.Remove("stands:1")
		n.Lend("stands:1", time.Minute)
		board.away.Store(false)
		time.Sleep(time.Second)
		expect("the board is back", true, false, true)
		_ = board.Mark(t.Context(), []fleet.Mark{{Name: "stands:1", By: "another", Life: time.Minute}})
		n.Remove("stands:1")
		expect("another's", true, false, true)
	})
}

// However many marks wait to be taken away, because the board is away, a request that
// leaves one waits no longer for that (F6).
func TestNotes_LendAsFastWhileTheBoardIsAway(t *testing.T) {
	board := &flaky{Memory: fleet.NewMemory()}
	n := fleet.NewNotes(board, "me", func() int64 { return 1 })
	round, calls := 0, 100
	quickest := func() time.Duration {
		best := time.Hour
		for range 10 {
			round++
			began := time.Now()
			for i := range calls {
				n.Lend(fmt.Sprint("stands:", round, ".", i), time.Minute)
			}
			best = min(best, time.Since(began))
			for i := range calls {
				n.Remove(fmt.Sprint("stands:", round, ".", i))
			}
		}
		return best
	}
	alone := quickest()
	for i := range 50_000 {
		n.Lend(fmt.Sprint("stands:", i), time.Minute)
		n.Remove(fmt.Sprint("stands:", i))
	}
	if full := quickest(); full > 30*alone {
		t.Errorf("%d take %v while 50,000 wait to be taken away, and %v while none do", calls, full, alone)
	}
}
