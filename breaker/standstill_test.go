package breaker_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// ticks has the breaker look at its calls as often as it does when it runs.
func (w *world) ticks(d time.Duration) {
	for range d / (10 * time.Millisecond) {
		w.b.Tick()
		time.Sleep(10 * time.Millisecond)
	}
}

// C13: a process that was stopped for a second takes its own standstill for
// nobody's outage: neither for calls that stand, nor for answers that are slow,
// nor for attempts that ran out of time. One that was not stopped does. It counts the
// failed calls that it does not believe.
func TestBreaker_TakesItsOwnStandstillOff(t *testing.T) {
	type seen struct {
		state         breaker.State
		slow, faulted bool
		disbelieved   int
	}
	for name, row := range map[string]struct {
		calls   int
		answer  answerer
		timeout time.Duration
		waits   seen // where we look all the time
		stands  seen // where we ourselves stand from the fifth look on
	}{
		"calls that stand":           {40, hangs, 1800 * time.Millisecond, seen{breaker.Open, false, false, 0}, seen{breaker.Closed, false, false, 0}},
		"answers that come late":     {5, after(600*time.Millisecond, passes), 1800 * time.Millisecond, seen{breaker.Closed, true, false, 0}, seen{breaker.Closed, false, false, 0}},
		"attempts that ran out":      {5, hangs, 800 * time.Millisecond, seen{breaker.Closed, false, true, 0}, seen{breaker.Closed, false, false, 5}},
		"many that ran out at once":  {40, hangs, 400 * time.Millisecond, seen{breaker.Open, false, true, 0}, seen{breaker.Closed, false, false, 40}},
		"faults that are the API's":  {5, after(300*time.Millisecond, refuses(captcha.Fault)), 1800 * time.Millisecond, seen{breaker.Closed, false, true, 0}, seen{breaker.Closed, false, true, 0}},
		"answers that are not late":  {5, after(100*time.Millisecond, passes), 1800 * time.Millisecond, seen{breaker.Closed, false, false, 0}, seen{breaker.Closed, false, false, 0}},
		"one call that stands alone": {1, hangs, 1800 * time.Millisecond, seen{breaker.Closed, false, false, 0}, seen{breaker.Closed, false, false, 0}},
	} {
		for _, stopped := range []bool{false, true} {
			want := row.waits
			if stopped {
				name, want = name+", stopped", row.stands
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg, limits := defaults()
					limits.MaxAttempts, limits.AttemptTimeout = 1, row.timeout
					w := newWorld(t, cfg, limits, nil)
					w.becomes(row.answer)
					ctx, hangUp := context.WithCancel(t.Context())
					var callers sync.WaitGroup
					for n := range row.calls {
						callers.Go(func() { w.verify(ctx, user(n)) })
					}
					synctest.Wait()
					w.ticks(50 * time.Millisecond)
					if stopped {
						time.Sleep(time.Second)
						w.b.Tick()
					} else {
						w.ticks(time.Second)
					}
					s := w.b.Status()
					if got := (seen{s.State, s.Slow > 0, s.Failures > 0, s.Disbelieved}); got != want {
						t.Errorf("%+v, want %+v; transitions %v", got, want, s.Transitions)
					}
					hangUp()
					callers.Wait()
					if time.Sleep(time.Minute); w.b.Status().Disbelieved != 0 {
						t.Error("what was not believed is told for longer than a minute")
					}
				})
			})
		}
	}
}

// C13: after a standstill of ours calls that stand are seen as before it.
func TestBreaker_SeesCallsThatStandAfterItsOwnStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, limits := defaults()
		limits.MaxAttempts, limits.AttemptTimeout = 1, 1900*time.Millisecond
		w := newWorld(t, cfg, limits, nil)
		w.becomes(hangs)
		for n := range 40 {
			w.others.Go(func() { w.verify(w.t.Context(), user(n)) })
		}
		synctest.Wait()
		w.ticks(50 * time.Millisecond)
		time.Sleep(time.Second)
		w.ticks(400 * time.Millisecond)
		if s := w.b.State(); s != breaker.Closed {
			t.Fatalf("circuit is %v after calls stood for 450 ms beside our own standstill", s)
		}
		w.ticks(100 * time.Millisecond)
		if s := w.b.State(); s != breaker.Open {
			t.Errorf("circuit is %v after calls stood for 550 ms beside our own standstill", s)
		}
		w.others.Wait()
	})
}

// C13: a process that stands still again and again, as on a host short of CPU, sees an outage
// all the same, only later, and sees none where the API is well and it is itself late.
func TestBreaker_SeesAnOutageBesideManyStandstills(t *testing.T) {
	const runs = 500 * time.Millisecond // between two standstills
	for _, stands := range []time.Duration{150 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second} {
		t.Run(stands.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, limits := defaults()
				w := newWorld(t, cfg, limits, nil)
				ctx, stop := context.WithCancel(t.Context())
				w.others.Go(func() { w.b.Probe(ctx) })
				var standing atomic.Bool
				w.becomes(func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
					time.Sleep(25 * time.Millisecond)
					for standing.Load() { // what came is read afterwards
						time.Sleep(time.Millisecond)
					}
					if ctx.Err() != nil {
						return captcha.Verdict{}, &captcha.Failure{Kind: captcha.Fault, Err: context.Cause(ctx)}
					}
					return passes(ctx, t)
				})
				var users sync.WaitGroup
				users.Go(func() { w.traffic(20, time.Minute) })
				spell := func() {
					w.ticks(runs)
					standing.Store(true)
					time.Sleep(stands)
					standing.Store(false)
				}
				for range 30 * time.Second / (runs + stands) {
					spell()
				}
				if s := w.b.Status(); len(s.Transitions) != 0 || s.Disbelieved == 0 && stands > limits.AttemptTimeout {
					t.Errorf("the API is well, and %d calls were not believed; transitions %v", s.Disbelieved, s.Transitions)
				}
				w.becomes(hangs)
				began := time.Now()
				for w.b.State() == breaker.Closed && time.Since(began) < 20*time.Second {
					spell()
				}
				t.Logf("open after %v", time.Since(began))
				if took := time.Since(began); took > max(5*time.Second, 3*(runs+stands)) {
					t.Errorf("the circuit is %v after %v", w.b.State(), took)
				}
				users.Wait()
				stop()
				w.others.Wait()
			})
		})
	}
}

// C13: where hardly anybody is there nobody looks at the clock beside a probe: a call and the
// probe after it that both met a standstill of ours open nothing.
func TestBreaker_BelievesNoSingleProbeAfterItsOwnStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, limits := defaults()
		limits.MaxAttempts = 1
		w := newWorld(t, cfg, limits, nil)
		ctx, stop := context.WithCancel(t.Context())
		w.others.Go(func() { w.b.Probe(ctx) })
		w.becomes(hangs) // what it answered meanwhile is read too late
		w.others.Go(func() { w.verify(t.Context(), user(1)) })
		w.ticks(20 * time.Millisecond)
		time.Sleep(time.Second) // it stands, and then the probe does
		time.Sleep(time.Second)
		w.becomes(passes)
		if s := w.b.Status(); s.State != breaker.Closed || s.Disbelieved != 2 {
			t.Errorf("circuit is %v, %d calls were not believed", s.State, s.Disbelieved)
		}
		stop()
		w.others.Wait()
	})
}

// C7, C13: a process that stood still for a whole ramp, or was asked by nobody and did
// not look, sends on no more users for that.
func TestBreaker_ReturnsNobodyForItsOwnStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, limits := defaults()
		w := newWorld(t, cfg, limits, nil)
		w.b.Ramp(time.Minute)
		time.Sleep(cfg.Ramp)
		if share := w.b.Share(); share > 0.1 {
			t.Errorf("%.0f %% of users are sent on after a standstill", 100*share)
		}
	})
}
