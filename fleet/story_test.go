package fleet_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/breaker"
	"captchagate/captcha"
	"captchagate/fleet"
)

var quiet = slog.New(slog.DiscardHandler)

// A town is a fleet of real circuits before one API, in virtual time.
type town struct {
	*testing.T

	board *switchboard
	rules fleet.Rules
	all   []*instance

	mu     sync.Mutex
	away   bool // the API hangs
	probes int  // so far
	flying int  // now
	most   int  // at once
}

// A switchboard is the board, which may be out of reach, for all or some.
type switchboard struct {
	*fleet.Memory

	away      atomic.Bool
	forgetful atomic.Bool  // a mutant: it takes a verdict of an earlier outage for one of this
	late      atomic.Int64 // how long an answer takes
	cut       sync.Map     // ids
	beats     atomic.Int64
}

func (s *switchboard) Beat(ctx context.Context, r fleet.Report) (fleet.View, error) {
	s.beats.Add(1)
	if _, cut := s.cut.Load(r.ID); cut || s.away.Load() {
		return fleet.View{}, errors.New("away")
	}
	if s.forgetful.Load() {
		r.Epoch = s.Epoch()
	}
	v, err := s.Memory.Beat(ctx, r)
	time.Sleep(time.Duration(s.late.Load()))
	return v, err
}

// An instance is a circuit and a member, joined as the gateway joins them.
type instance struct {
	town    *town
	breaker *breaker.Breaker
	member  *fleet.Member
	turns   chan breaker.Turn
	broken  atomic.Bool // its own way out is
	cancel  func()
	ended   sync.WaitGroup

	mu          sync.Mutex
	transitions []breaker.Transition
}

func (i *instance) Report(breaker.Transition)  { i.member.Wake() }
func (i *instance) Patience() int              { return i.member.Patience() }
func (i *instance) Turns() <-chan breaker.Turn { return i.turns }
func (i *instance) Account(breaker.Account)    {}
func (i *instance) Reset()                     {}
func (i *instance) About() []byte              { return nil }
func (i *instance) Add(captcha.Key) bool       { return true }
func (i *instance) Has(captcha.Key) bool       { return false }

// Throttling is nobody's here.
func (i *instance) Throttling(breaker.Throttling, bool) {}

func (i *instance) Transition(t breaker.Transition) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.transitions = append(i.transitions, t)
}

// seen are its transitions so far.
func (i *instance) seen() []breaker.Transition {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.transitions)
}

func (i *instance) Follow(c fleet.Circuit, why string) {
	i.breaker.Follow(map[fleet.State]breaker.State{
		fleet.Closed: breaker.Closed, fleet.HalfOpen: breaker.HalfOpen, fleet.Open: breaker.Open, fleet.Recovering: breaker.Recovering,
	}[c.State], c.Since, c.Outage, why)
}

func (i *instance) Health() fleet.Health {
	s := i.breaker.Status()
	return fleet.Health{Voting: s.Requests > 0, Open: s.State == breaker.Open || s.State == breaker.HalfOpen, Closed: s.State == breaker.Closed}
}

type turn struct{ *fleet.Turn }

func (t turn) End(f breaker.Finding) {
	t.Turn.End(map[breaker.Finding]fleet.Finding{breaker.Healthy: fleet.Healthy, breaker.Ill: fleet.Ill}[f])
}

// Verify is the API as the instance reaches it.
func (i *instance) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	w, probe := i.town, captcha.LooksDisaster(t.Value)
	captcha.CallOf(ctx).OnTheWire()
	if ctx.Err() != nil {
		return captcha.Verdict{}, &captcha.Failure{Kind: captcha.Cancelled, Err: ctx.Err()}
	}
	w.mu.Lock()
	away := w.away || i.broken.Load()
	if probe {
		w.probes++
		w.flying++
		w.most = max(w.most, w.flying)
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.flying--
		}()
	}
	w.mu.Unlock()
	answered := time.After(20 * time.Millisecond)
	if away {
		answered = nil
	}
	select {
	case <-answered:
		return captcha.Verdict{Outcome: captcha.Passed, Answer: &captcha.Answer{Code: captcha.CodeOK}}, nil
	case <-ctx.Done():
		kind := captcha.Fault
		if errors.Is(context.Cause(ctx), context.Canceled) {
			kind = captcha.Cancelled
		}
		return captcha.Verdict{}, &captcha.Failure{Kind: kind, Err: context.Cause(ctx), FateUnknown: true, Retryable: true}
	}
}

// inTown runs a story of n instances.
func inTown(t *testing.T, n int, story func(w *town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &town{T: t, board: &switchboard{Memory: fleet.NewMemory()}}
		w.rules = fleet.UsualRules(time.Second, 100*time.Millisecond, time.Second, 5*time.Second, 3)
		for range n {
			w.joins()
		}
		defer func() {
			w.becomes(false)
			for _, i := range w.all {
				i.ends()
			}
		}()
		time.Sleep(3 * time.Second) // until a board that is new may open
		story(w)
	})
}

func (w *town) joins() *instance {
	i := &instance{town: w, turns: make(chan breaker.Turn), member: fleet.NewMember(w.board, w.rules, quiet)}
	cfg := breaker.Config{
		Window: 20 * time.Second, MinRequests: 20, FailureRate: 0.5, ConsecutiveFailures: 10,
		SlowCall: 500 * time.Millisecond, SlowRate: 0.8,
		Open:  breaker.Interval{Initial: time.Second, Max: 5 * time.Second},
		Probe: breaker.Probe{Timeout: time.Second, Successes: 3, Spacing: 100 * time.Millisecond}, Ramp: 10 * time.Second,
	}
	limits := breaker.Limits{
		Deadline: 2 * time.Second, AttemptTimeout: 800 * time.Millisecond, MaxAttempts: 1,
		Backoff: breaker.Backoff{Initial: 50 * time.Millisecond, Max: 400 * time.Millisecond}, MaxInFlight: 256,
	}
	ports := breaker.Ports{Fates: i, Abandoned: i, Journal: i, Connections: i, Peers: i}
	b, err := breaker.New(i, ports, 190000001, []byte("the order of users"), cfg, limits, quiet, prometheus.NewRegistry())
	if err != nil {
		w.Fatal(err)
	}
	i.breaker = b
	i.member.Serve(i, nil, [fleet.Kinds]fleet.Tail{})
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	i.cancel = cancel
	i.ended.Go(func() { b.Run(ctx) })
	i.ended.Go(func() { i.member.Run(ctx) })
	i.ended.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case t := <-i.member.Turns():
				select {
				case i.turns <- turn{t}:
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}
	})
	w.all = append(w.all, i)
	return i
}

func (i *instance) ends() {
	i.cancel()
	i.ended.Wait()
}

// dies ends an instance without a word to the others.
func (i *instance) dies() {
	i.town.board.cut.Store(i.member.ID(), true)
	i.ends()
}

func (w *town) becomes(away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = away
}

// made is how many probes there were, and at most at once.
func (w *town) made() (probes, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.probes, w.most
}

// countAnew forgets the probes so far.
func (w *town) countAnew() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probes, w.most = 0, w.flying
}

// traffic sends rate users a second to each of the instances, until stop is called.
func (w *town) traffic(rate int, to ...*instance) (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	for n, i := range to {
		wg.Go(func() {
			for user := 0; ctx.Err() == nil; user++ {
				t := captcha.Ticket{
					Value: fmt.Sprintf("t03ticket%d_%d", n, user), Randstr: "@abc", AppID: 190000001,
					UserIP: netip.AddrFrom4([4]byte{byte(10 + n%100), byte(user >> 8), byte(user), 1}),
				}
				wg.Go(func() { _, _ = i.breaker.Verify(ctx, t) })
				time.Sleep(time.Second / time.Duration(rate))
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// until waits until all of them are in a state, and returns how long the first and
// the last took.
func (w *town) until(s breaker.State, most time.Duration, of ...*instance) (first, last time.Duration) {
	w.Helper()
	began := time.Now()
	for {
		there := 0
		for _, i := range of {
			if i.breaker.State() == s || s == breaker.Recovering && i.breaker.State() == breaker.Closed {
				there++
			}
		}
		if there > 0 && first == 0 {
			first = max(time.Since(began), 1)
		}
		if there == len(of) {
			return first, time.Since(began)
		}
		if time.Since(began) > most {
			w.Fatalf("%d of %d instances are %v after %v", there, len(of), s, most)
		}
		time.Sleep(time.Millisecond)
	}
}

// long marks a story of so many goroutines or minutes that the race detector's runtime
// may give up in it. It is played without the detector.
func long(t *testing.T) {
	t.Helper()
	if build, ok := debug.ReadBuildInfo(); ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("it is played without the race detector only")
	}
}

var large = flag.Int("instances", 100, "the largest fleet that is played")

// In an outage all open within a second of the quorum, those without traffic too,
// one probe is made at a time, at most 60 a minute, and all recover together (F3,
// F10, C3, C6).
func TestFleet_OpensProbesAndRecoversTogether(t *testing.T) {
	for _, n := range []int{3, 10, *large} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if n >= 100 {
				long(t)
			}
			inTown(t, n, func(w *town) {
				busy := w.all[:max(3, n/2)]
				stop := w.traffic(max(2, 200/n), busy...)
				time.Sleep(5 * time.Second)
				began, beats := time.Now(), w.board.beats.Load()
				time.Sleep(10 * time.Second)
				peace := float64(w.board.beats.Load()-beats) / time.Since(began).Seconds() / float64(n)
				w.becomes(true)
				began = time.Now()
				for w.board.State() != fleet.Open && time.Since(began) < 5*time.Second {
					time.Sleep(time.Millisecond)
				}
				quorum := time.Since(began)
				_, last := w.until(breaker.Open, 5*time.Second, w.all...)
				time.Sleep(2 * time.Second) // until what they looked into before has ended
				w.countAnew()
				time.Sleep(time.Minute)
				probes, most := w.made()
				w.becomes(false)
				one, all := w.until(breaker.Recovering, 10*time.Second, w.all...)
				t.Logf("%d instances: a quorum after %v, all open %v later; %d probes in a minute; first recovering %v, all %v; %.1f beats a second and instance in peace", n, quorum, last, probes, one, all, peace)
				if quorum > 3*time.Second || last > time.Second {
					t.Errorf("a quorum after %v, the last opened %v later", quorum, last)
				}
				if probes > 60 || most > 1 {
					t.Errorf("%d probes in a minute, %d at once", probes, most)
				}
				if one > 3*time.Second || all-one > time.Second {
					t.Errorf("the first recovered after %v, the last %v later", one, all-one)
				}
				if peace > 3 {
					t.Errorf("%.1f beats a second and instance in peace", peace)
				}
				w.until(breaker.Closed, 30*time.Second, w.all...)
				stop()
				for _, i := range w.all {
					if seen := i.seen(); len(seen) > 5 {
						t.Errorf("%d transitions: %v", len(seen), seen)
					}
				}
			})
		})
	}
}

// One instance with a broken way out opens alone, probes for itself, and comes back
// (F2).
func TestFleet_IsNotOpenedByOne(t *testing.T) {
	inTown(t, 3, func(w *town) {
		stop := w.traffic(50, w.all...)
		time.Sleep(2 * time.Second)
		w.all[0].broken.Store(true)
		w.until(breaker.Open, 3*time.Second, w.all[0])
		time.Sleep(20 * time.Second)
		for _, i := range w.all[1:] {
			if seen := i.seen(); len(seen) > 0 {
				t.Errorf("one took others along: %v", seen)
			}
		}
		w.all[0].broken.Store(false)
		w.until(breaker.Closed, 20*time.Second, w.all[0])
		stop()
	})
}

// One that is killed and starts again is not two: while its old name still counts, it
// has no say under its new one (F2).
func TestFleet_IsNotOpenedByOneThatStartsAgain(t *testing.T) {
	inTown(t, 3, func(w *town) {
		well := w.all[:2]
		stop := w.traffic(50, w.all...)
		time.Sleep(2 * time.Second)
		w.all[2].broken.Store(true)
		w.until(breaker.Open, 3*time.Second, w.all[2])
		for range 3 {
			w.all[len(w.all)-1].dies()
			again := w.joins()
			again.broken.Store(true)
			ends := w.traffic(200, again)
			w.until(breaker.Open, 3*time.Second, again)
			time.Sleep(time.Second)
			ends()
		}
		time.Sleep(5 * time.Second)
		for _, i := range well {
			if seen := i.seen(); len(seen) > 0 {
				t.Errorf("one took others along: %v", seen)
			}
		}
		stop()
	})
}

// An instance that joins in an outage opens at once, and one that dies while it
// probes is followed by another (F4).
func TestFleet_LivesOnWithoutItsProber(t *testing.T) {
	inTown(t, 4, func(w *town) {
		stop := w.traffic(50, w.all...)
		time.Sleep(2 * time.Second)
		w.becomes(true)
		w.until(breaker.Open, 5*time.Second, w.all...)
		late := w.joins()
		if _, took := w.until(breaker.Open, time.Second, late); took > 600*time.Millisecond {
			t.Errorf("who joined opened after %v", took)
		}
		for range 3 {
			w.awaitProbe()
			for n, i := range w.all {
				if i.member.ID() == w.holder() {
					i.dies()
					w.all = append(w.all[:n:n], w.all[n+1:]...)
					break
				}
			}
			w.countAnew()
			if took := w.awaitProbe(); took > 2*time.Second {
				t.Errorf("the next probe came %v after its prober had died", took)
			}
		}
		w.becomes(false)
		w.until(breaker.Recovering, 5*time.Second, w.all...)
		if _, most := w.made(); most > 1 {
			t.Errorf("%d probes at once", most)
		}
		stop()
	})
}

// holder is the id of the instance whose probe is on its way.
func (w *town) holder() string { return w.board.Holder() }

// awaitProbe waits until a probe begins.
func (w *town) awaitProbe() time.Duration {
	before, _ := w.made()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if probes, _ := w.made(); probes > before {
			return time.Since(began)
		}
		if time.Since(began) > 20*time.Second {
			w.Fatal("no probe begins")
		}
	}
}

// Without the board all go on: they open on their own evidence, probe more seldom,
// and recover; a flush opens nothing, and the fleet's outage survives it (F5, F10).
func TestFleet_OutlivesItsBoard(t *testing.T) {
	inTown(t, 5, func(w *town) {
		stop := w.traffic(50, w.all...)
		time.Sleep(2 * time.Second)
		w.board.Flush()
		time.Sleep(5 * time.Second)
		w.board.away.Store(true)
		time.Sleep(5 * time.Second)
		for _, i := range w.all {
			if seen := i.seen(); len(seen) > 0 {
				t.Errorf("without an outage: %v", seen)
			}
		}
		w.becomes(true)
		w.until(breaker.Open, 3*time.Second, w.all...)
		w.countAnew()
		time.Sleep(time.Minute)
		if probes, _ := w.made(); probes > 80 { // each at five times its interval
			t.Errorf("%d probes in a minute without the board", probes)
		}
		w.board.away.Store(false)
		time.Sleep(5 * time.Second)
		w.board.Flush()
		time.Sleep(5 * time.Second)
		if v, up := w.all[0].member.Status(); !up || v.Circuit.State != fleet.Open {
			t.Errorf("after the board's return and a flush the fleet is %+v", v.Circuit)
		}
		w.becomes(false)
		one, all := w.until(breaker.Recovering, 8*time.Second, w.all...)
		if all-one > time.Second {
			t.Errorf("the last recovered %v after the first", all-one)
		}
		w.until(breaker.Closed, 20*time.Second, w.all...)
		stop()
	})
}

// Who recovered alone while the board was away stays closed when the board is back,
// kept or empty, with an outage that is over (F5).
func TestFleet_FollowsNoOutageThatItsInstancesLeftAlone(t *testing.T) {
	for _, kept := range []bool{true, false} {
		inTown(t, 3, func(w *town) {
			stop := w.traffic(50, w.all...)
			w.becomes(true)
			w.until(breaker.Open, 5*time.Second, w.all...)
			w.board.away.Store(true)
			time.Sleep(5 * time.Second)
			w.becomes(false)
			w.until(breaker.Closed, time.Minute, w.all...)
			before := make([]int, len(w.all))
			for n, i := range w.all {
				before[n] = len(i.seen())
			}
			if !kept {
				w.board.Flush()
			}
			w.board.away.Store(false)
			time.Sleep(20 * time.Second)
			for n, i := range w.all {
				if again := i.seen()[before[n]:]; len(again) > 0 {
					t.Errorf("board kept: %t: an instance that had recovered went through %v", kept, again)
				}
			}
			if v, up := w.all[0].member.Status(); !up || v.Circuit.State != fleet.Closed {
				t.Errorf("board kept: %t: the fleet is %+v", kept, v.Circuit)
			}
			stop()
		})
	}
}

// A board that counted verdicts of an earlier outage would open the fleet again as soon as
// it recovers, by those who have not heard of it yet: the rule of epochs is what keeps it
// from that (F2, C8).
func TestFleet_FallsBackWithoutEpochs(t *testing.T) {
	for _, forgetful := range []bool{false, true} {
		inTown(t, 3, func(w *town) {
			w.board.late.Store(int64(150 * time.Millisecond))
			w.board.forgetful.Store(forgetful)
			stop, fell := w.traffic(50, w.all...), 0
			for outage := 0; outage < 5 || forgetful && fell == 0 && outage < 40; outage++ { // it takes two that are late
				w.until(breaker.Closed, time.Minute, w.all...)
				w.becomes(true)
				w.until(breaker.Open, 5*time.Second, w.all...)
				time.Sleep(5 * time.Second)
				epoch := w.board.Epoch()
				w.becomes(false)
				time.Sleep(10 * time.Second)
				if w.board.Epoch() > epoch+1 {
					fell++
				}
			}
			if fell > 0 != forgetful {
				t.Errorf("without epochs %t: the fleet fell back %d times", forgetful, fell)
			}
			stop()
		})
	}
}
