package breaker_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// A call that nobody answers is the API's failure whether it met its time-out or the circuit
// released it, and those who are not asked about then are spared: what is told of calls are
// all calls that reached the API. O2
func TestCalls_ThatHangAreFailures(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(100, 3*time.Second)
		reached := w.callsOfUsers()
		w.becomes(hangs)
		rs := w.traffic(100, 10*time.Second)
		w.becomes(after(20*time.Millisecond, passes))
		time.Sleep(5 * time.Second)
		all, failed := w.sawCalls(false)
		if want := w.callsOfUsers() - reached; failed != want || all != w.callsOfUsers() || failed == 0 {
			t.Errorf("%d of %d calls failed, want %d of %d", failed, all, want, w.callsOfUsers())
		}
		spared := 0
		for _, r := range rs {
			if r.f != nil && r.f.Kind == captcha.CircuitOpen && r.f.Attempts == 0 {
				spared++
			}
		}
		if w.spared != spared || spared < 900 {
			t.Errorf("%d users spared, want %d", w.spared, spared)
		}
		if probes, ill := w.sawCalls(true); probes == 0 || ill == 0 || ill >= probes {
			t.Errorf("%d of %d probes failed", ill, probes)
		}
	})
}

// Where the API hangs for users and not for probes, its kept connections look dead: calls
// on others show that they are not, where a retry follows and where the budget allows none.
// What is told of calls are all that reached the API, and it answered none of them. O2
func TestCalls_ThatHangBesideAnsweredProbesAreFailures(t *testing.T) {
	for _, rate := range []int{1, 5, 50} {
		for _, budget := range []float64{0, 0.2} {
			t.Run(fmt.Sprintf("%d a second, %v retries", rate, budget), func(t *testing.T) {
				cfg, limits := defaults()
				limits.RetryBudget = budget
				inWorldOf(t, cfg, limits, func(w *world) {
					healthy := after(20*time.Millisecond, passes)
					w.becomes(healthy)
					w.traffic(rate, 10*time.Second)
					before := w.callsOfUsers()
					w.becomes(probesGet(healthy, onKept(hangs)))
					w.traffic(rate, 20*time.Second)
					// A call that is in doubt when the API comes back counts as one on a dead
					// connection: no such call is left once the circuit is open.
					for n := 0; n < 60 && w.b.Status().State != breaker.Open; n++ {
						w.traffic(rate, time.Second)
					}
					hung := w.callsOfUsers() - before
					w.becomes(healthy)
					w.traffic(rate, 20*time.Second)
					if all, failed := w.sawCalls(false); failed != hung || all != w.callsOfUsers() || failed < rate {
						t.Errorf("%d of %d calls failed, want %d of %d", failed, all, hung, w.callsOfUsers())
					}
				})
			})
		}
	}
}

// Connections that died while they were kept are not the API's failures, where the budget
// allows no retry either: what others ask on new ones is answered. O2
func TestCalls_OnDeadConnectionsAreNoFailures(t *testing.T) {
	for _, rate := range []int{2, 50} {
		t.Run(fmt.Sprintf("%d a second", rate), func(t *testing.T) {
			cfg, limits := defaults()
			limits.RetryBudget = 0
			inWorldOf(t, cfg, limits, func(w *world) {
				w.traffic(rate, 5*time.Second)
				w.dead(after(20*time.Millisecond, passes))
				rs := w.traffic(rate, 5*time.Second)
				if all, failed := w.sawCalls(false); failed > 0 || all == 0 || rs.count("passed") == len(rs) {
					t.Errorf("%d of %d calls failed", failed, all)
				}
			})
		})
	}
}

// An API whose answers are right and slow serves: what the circuit gives up on then is not
// its failure. Nor is throttling, a refused account, or trouble of our own, which never
// reached it. O2
func TestCalls_ThatAreNoFailures(t *testing.T) {
	for name, answer := range map[string]answerer{
		"slow": after(700*time.Millisecond, passes), "throttled": refuses(captcha.Throttled),
		"refused": refuses(captcha.Misconfigured), "overloaded": refuses(captcha.Overloaded),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(answer)
				w.traffic(100, 3*time.Second)
				time.Sleep(2 * time.Second)
				w.becomes(after(20*time.Millisecond, passes))
				time.Sleep(5 * time.Second)
				if all, failed := w.sawCalls(false); failed > 0 || (all == 0) != (name == "overloaded") {
					t.Errorf("%d of %d calls failed", failed, all)
				}
			})
		})
	}
}

// callsOfUsers is how many of those reached the API so far.
func (w *world) callsOfUsers() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if !a.probe {
			n++
		}
	}
	return n
}

// A host that is short of CPU hears what is answered, a little late: what was not answered
// there is the API's failure. Of a call whose time ran out while the process stood still
// nobody knows. O2
func TestCalls_ThatHangBesideOurOwnLagAreFailures(t *testing.T) {
	for name, row := range map[string]struct {
		looks  time.Duration
		failed int
	}{"short of CPU": {40 * time.Millisecond, 1}, "stopped": {900 * time.Millisecond, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, limits := defaults()
				limits.MaxAttempts = 1
				w := newWorld(t, cfg, limits, nil)
				w.becomes(hangs)
				var caller sync.WaitGroup
				caller.Go(func() { w.verify(t.Context(), user(1)) })
				for began := time.Now(); time.Since(began) < limits.AttemptTimeout; time.Sleep(row.looks) {
					synctest.Wait()
					w.b.Tick()
				}
				caller.Wait()
				if all, failed := w.sawCalls(false); all != 1 || failed != row.failed {
					t.Errorf("%d of %d calls failed, want %d", failed, all, row.failed)
				}
			})
		})
	}
}

// On a host that is short of CPU the time of a call may end before it was written: the API
// never got that one, so it is no request, whether it met its time-out or the circuit
// released it. O2
func TestCalls_ThatWereNeverWrittenAreNoRequests(t *testing.T) {
	inWorld(t, func(w *world) {
		healthy := after(20*time.Millisecond, passes)
		w.traffic(50, 2*time.Second)
		var unwritten atomic.Int64
		never := func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
			unwritten.Add(1)
			_, err := hangs(ctx, t)
			f := captcha.AsFailure(err)
			f.FateUnknown = false
			return captcha.Verdict{}, f
		}
		before := w.callsOfUsers()
		w.becomes(probesGet(healthy, share(0.5, never, hangs)))
		w.traffic(50, 4*time.Second)
		made := w.callsOfUsers() - before
		w.becomes(healthy)
		w.traffic(50, 10*time.Second)
		all, failed := w.sawCalls(false)
		none := int(unwritten.Load())
		if failed != made-none || all != w.callsOfUsers()-none || none < 10 || failed < 10 {
			t.Errorf("%d of %d calls failed; want %d of %d, and %d that were not written", failed, all, made-none, w.callsOfUsers()-none, none)
		}
	})
}

// Nor is a probe one that was never written. O2
func TestCalls_OfProbesThatWereNeverWrittenAreNoRequests(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(50, time.Second)
		w.becomes(func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
			_, err := hangs(ctx, t)
			f := captcha.AsFailure(err)
			f.FateUnknown = false
			return captcha.Verdict{}, f
		})
		w.traffic(50, 3*time.Second)
		_, probes := w.reached(time.Time{})
		if all, failed := w.sawCalls(true); all != 0 || failed != 0 || probes == 0 {
			t.Errorf("%d of %d probes failed, of %d that were never written", failed, all, probes)
		}
	})
}

// Where no connection comes about by the API's doing, as where it is silent when TLS is to
// begin, each call that gets to know counts as a failure, once: users' and probes'. Those
// that were given up before, as the circuit opened, are no requests. O2
func TestCalls_ThatFindNoConnectionAreFailures(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(50, 2*time.Second)
		before := w.callsOfUsers()
		w.mu.Lock()
		w.apart = true
		w.mu.Unlock()
		w.traffic(5, 82*time.Second)
		w.mu.Lock()
		w.apart = false
		w.mu.Unlock()
		answered := w.callsOfUsers()
		w.traffic(5, 20*time.Second)
		answered = before + w.callsOfUsers() - answered
		if all, ill := w.sawCalls(false); ill != w.missed || all != ill+answered || ill < 10 {
			t.Errorf("%d of %d calls failed, want %d of %d", ill, all, w.missed, w.missed+answered)
		}
		probes, ill := w.sawCalls(true)
		_, asked := w.reached(time.Time{})
		if probes != asked || ill < 10 || ill >= probes {
			t.Errorf("%d of %d probes failed, of %d", ill, probes, asked)
		}
	})
}
