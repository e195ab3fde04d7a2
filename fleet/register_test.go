package fleet_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"captchagate/control"
	"captchagate/fleet"
)

// A register is the operators' switch at one instance: the real one, over a store in
// memory.
type register struct {
	*control.Control

	counts bool // a mutant: it numbers its own changes only
	made   atomic.Uint64
}

// Current is the fleet.Switch's.
func (r *register) Current(offset time.Duration) fleet.Register {
	version, name, text := r.Control.Current(offset)
	if r.counts {
		version, name = r.made.Load(), ""
	}
	return fleet.Register{Version: version, ID: name, Body: text}
}

// Adopt is the fleet.Switch's.
func (r *register) Adopt(f fleet.Register, offset time.Duration) bool {
	_ = r.Control.Adopt(context.Background(), f.Body, offset) // the store never fails
	return true
}

// holds is the reason of what is forced, another one in each change.
func (r *register) holds() string {
	if o := r.Override(); o != nil {
		return o.Reason
	}
	return ""
}

// A shelf is a control.Store that keeps values and no logs.
type shelf struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (s *shelf) Get(_ context.Context, bucket, key string) (value []byte, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok = s.values[bucket+key]
	return value, ok, nil
}

func (s *shelf) Put(_ context.Context, bucket, key string, value []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[bucket+key] = value
	return nil
}

func (s *shelf) PutWithEntry(ctx context.Context, bucket, key string, value []byte, _ string, _ time.Time, _ []byte) error {
	return s.Put(ctx, bucket, key, value, 0)
}

func (s *shelf) Append(context.Context, string, time.Time, []byte) error { return nil }

func (s *shelf) Entries(context.Context, string, time.Time, int) (iter.Seq2[time.Time, []byte], error) {
	return maps.All(map[time.Time][]byte{}), nil
}

// still is an instance without traffic.
type still struct{}

func (still) Health() fleet.Health         { return fleet.Health{Closed: true} }
func (still) Follow(fleet.Circuit, string) {}
func (still) About() []byte                { return nil }

// A history is who threw and read what, and when; and from when until when each was cut
// off from the board.
type history struct {
	ops  []porcupine.Operation
	cuts map[int][][2]int64
}

// late is how old at most what an instance holds may be (F1).
const late = int64(time.Second)

// judge holds a history against a register whose reads may be late. What is thrown at an
// instance that is cut off holds for all once it is back; until then it reads what it knew
// last, or threw, which is left out.
func (h history) judge(patience time.Duration) porcupine.CheckResult {
	var ops []porcupine.Operation
	for _, op := range h.ops {
		throws, left := op.Input != nil, false
		for _, cut := range h.cuts[op.ClientId] {
			if within := op.Call >= cut[0] && op.Call <= cut[1]+late; within && throws {
				op.Return = cut[1] + late
			} else if within {
				left = true
			}
		}
		if !throws {
			op.Call -= late
		}
		if !left {
			ops = append(ops, op)
		}
	}
	return porcupine.CheckOperationsTimeout(porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, thrown, read any) (bool, any) {
			if thrown != nil {
				return true, thrown
			}
			return state == read, state
		},
	}, ops, patience)
}

// play has operators throw the switch at four instances, and reads it everywhere, for a
// while; cuts has instances be cut off now and then.
func play(t *testing.T, seed uint64, cuts, counts bool) (h history) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 0))
		board := &switchboard{Memory: fleet.NewMemory()}
		var registers []*register
		var members []*fleet.Member
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			c, err := control.New(ctx, &shelf{values: map[string][]byte{}}, nil, quiet)
			if err != nil {
				t.Fatal(err)
			}
			s := &register{Control: c, counts: counts}
			m := fleet.NewMember(board, fleet.UsualRules(time.Second, 100*time.Millisecond, time.Second, 5*time.Second, 3), quiet)
			m.Serve(still{}, s, [fleet.Kinds]fleet.Tail{})
			c.Share(func([]byte) { m.Wake() }, func() time.Duration { return 0 })
			wg.Go(func() { m.Run(ctx) })
			registers, members = append(registers, s), append(members, m)
		}
		time.Sleep(time.Second)
		h = history{cuts: map[int][][2]int64{}}
		began := time.Now()
		now := func() int64 { return int64(time.Since(began)) }
		cutOff, last := -1, [4]string{}
		for i := range 400 {
			time.Sleep(time.Duration(20+r.IntN(60)) * time.Millisecond)
			if at := r.IntN(4); r.IntN(10) == 0 {
				call, reason := now(), fmt.Sprint("change ", i)
				if err := registers[at].Set(ctx, control.Change{Mode: control.Degraded, Reason: reason, Actor: "ops"}); err != nil {
					t.Fatal(err)
				}
				registers[at].made.Add(1)
				h.ops = append(h.ops, porcupine.Operation{ClientId: at, Input: reason, Call: call, Return: now()})
			}
			for at, s := range registers {
				read := s.holds()
				if read != last[at] || i%20 == 19 {
					h.ops = append(h.ops, porcupine.Operation{ClientId: at, Output: read, Call: now(), Return: now()})
				}
				last[at] = read
			}
			switch {
			case !cuts || r.IntN(25) > 0:
			case cutOff < 0:
				cutOff = r.IntN(4)
				board.cut.Store(members[cutOff].ID(), true)
				h.cuts[cutOff] = append(h.cuts[cutOff], [2]int64{now(), 1 << 62})
			default:
				board.cut.Delete(members[cutOff].ID())
				h.cuts[cutOff][len(h.cuts[cutOff])-1][1] = now()
				cutOff = -1
			}
		}
		cancel()
		wg.Wait()
	})
	return h
}

// Whoever throws it wherever, the switch of a fleet is one register whose readers are a
// second late at most; who was cut off comes back to it (F1). A switch without common
// versions is not, which shows that the judge can tell.
func TestFleet_SwitchIsOneRegister(t *testing.T) {
	patience := time.Minute
	for seed := range uint64(5) {
		for _, cuts := range []bool{false, true} {
			h := play(t, seed, cuts, false)
			if got := h.judge(patience); got != porcupine.Ok {
				t.Errorf("seed %d, cuts %t: a history of %d throws and reads is %s", seed, cuts, len(h.ops), got)
			}
		}
	}
	if got := play(t, 1, false, true).judge(patience); got != porcupine.Illegal {
		t.Errorf("without common versions a history is %s", got)
	}
}
