package fleet_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/fleet"
)

// A rough board takes its time, loses what is said to it and what it says, and hears
// nothing from those that died.
type rough struct {
	*fleet.Memory
	dead sync.Map // ids

	mu sync.Mutex
	r  *rand.Rand
}

func (b *rough) below(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.r.IntN(n)
}

// Beat is the Board's.
func (b *rough) Beat(ctx context.Context, r fleet.Report) (fleet.View, error) {
	if _, dead := b.dead.Load(r.ID); dead || !b.arrives() {
		return fleet.View{}, errors.New("lost")
	}
	v, err := b.Memory.Beat(ctx, r) // also if nobody waits any more
	if !b.arrives() || ctx.Err() != nil {
		return fleet.View{}, errors.New("lost")
	}
	return v, err
}

// arrives takes up to 110 ms, and one time in twelve says no.
func (b *rough) arrives() bool {
	time.Sleep(time.Duration(b.below(110)) * time.Millisecond)
	return b.below(12) > 0
}

// A sick instance holds the API to be away, and probes when it is its turn.
type sick struct{ *fleet.Member }

func (sick) Health() fleet.Health         { return fleet.Health{Voting: true, Open: true} }
func (sick) Follow(fleet.Circuit, string) {}
func (sick) About() []byte                { return nil }

// probes takes turns until ctx ends. A probe lasts as long as it may, or ends with its
// instance.
func (s sick) probes(ctx context.Context, began, ended func(), timeout func() time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case turn := <-s.Turns():
			if !turn.Begin(ctx) {
				turn.End(fleet.Undecided)
				continue
			}
			began()
			select {
			case <-ctx.Done():
				ended()
				return
			case <-time.After(timeout()):
			}
			ended()
			turn.End(fleet.Ill)
		}
	}
}

// leases plays five instances on a rough board in a long outage, any of which may die and
// come again, and returns how many probes began, and how many of them while another was on
// its way.
func leases(t *testing.T, seed uint64, lasting time.Duration) (probes, together int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		board := &rough{Memory: fleet.NewMemory(), r: rand.New(rand.NewPCG(seed, 0))}
		rules := fleet.UsualRules(time.Second, 100*time.Millisecond, time.Second, 5*time.Second, 3)
		rules.Lease = lasting
		var mu sync.Mutex
		flying := 0
		began := func() {
			mu.Lock()
			defer mu.Unlock()
			probes++
			if flying++; flying > 1 {
				together++
			}
		}
		ended := func() {
			mu.Lock()
			defer mu.Unlock()
			flying--
		}
		timeout := func() time.Duration { return time.Duration(1+board.below(1000)) * time.Millisecond }
		var wg sync.WaitGroup
		starts := func() (dies func()) {
			m := fleet.NewMember(board, rules, quiet)
			s := sick{m}
			m.Serve(s, nil, [fleet.Kinds]fleet.Tail{})
			ctx, cancel := context.WithCancel(t.Context())
			wg.Go(func() { m.Run(ctx) })
			wg.Go(func() { s.probes(ctx, began, ended, timeout) })
			return func() {
				board.dead.Store(m.ID(), true)
				cancel()
			}
		}
		var all []func()
		for range 5 {
			all = append(all, starts())
		}
		for range 300 { // ten minutes
			time.Sleep(2 * time.Second)
			if board.below(10) == 0 {
				board.Flush()
			}
			if board.below(4) == 0 {
				i := board.below(len(all))
				all[i]()
				all[i] = starts()
			}
		}
		for _, dies := range all {
			dies()
		}
		wg.Wait()
	})
	return probes, together
}

// However slow the board is, whatever it loses and whoever dies: no probe under a lease
// begins while another is on its way (F4). With leases that are shorter than probes some
// do, which shows that this can tell.
func TestFleet_LeasesNeverOverlap(t *testing.T) {
	long(t)
	usual := fleet.UsualRules(time.Second, 0, time.Second, time.Second, 3).Lease
	all := 0
	for seed := range uint64(12) {
		probes, together := leases(t, seed, usual)
		all += probes
		if together > 0 || probes < 50 {
			t.Errorf("seed %d: %d probes, %d while another was on its way", seed, probes, together)
		}
	}
	t.Logf("two hours on a rough board: %d probes, none while another was on its way", all)
	if _, together := leases(t, 0, 300*time.Millisecond); together == 0 {
		t.Error("leases of 300 ms for probes of a second never overlap")
	}
}
