package breaker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// dead has the calls of users stand, as on connections that nobody knows any
// more, until all connections are reset; probes have their own.
func (w *world) dead(alive answerer) {
	w.mu.Lock()
	before := w.resets
	w.mu.Unlock()
	w.becomes(func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		w.mu.Lock()
		reset := w.resets > before
		w.mu.Unlock()
		if !reset && !captcha.CallOf(ctx).Fresh {
			return onKept(hangs)(ctx, t)
		}
		return alive(ctx, t)
	})
}

// onKept answers a on a connection that was kept, and that brought no byte.
func onKept(a answerer) answerer {
	return func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		v, err := a(ctx, t)
		captcha.AsFailure(err).Kept = true
		return v, err
	}
}

// A NAT forgot all flows, and a fresh client is served: nothing opens, and within
// half a second no user notices any more; who waited until then is verified too,
// though the retry budget would not do for 200 a second (C17).
func TestBreaker_DeadConnectionsOpenNothing(t *testing.T) {
	for _, rate := range []int{2, 20, 200} {
		t.Run(fmt.Sprintf("%d a second", rate), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.traffic(rate, 5*time.Second)
				w.dead(after(20*time.Millisecond, passes))
				began := time.Now()
				rs := w.traffic(rate, 5*time.Second)
				if seen := w.transitions(); len(seen) > 0 {
					t.Errorf("transitions %v", seen)
				}
				if w.resets != 1 {
					t.Errorf("reset %d times, want once", w.resets)
				}
				for _, r := range rs {
					if at := r.at.Sub(began); at > 500*time.Millisecond && (r.kind() != "passed" || r.took > 100*time.Millisecond) {
						t.Errorf("a user after %v: %s after %v", at, r.kind(), r.took)
					}
				}
				if _, failed := w.sawCalls(false); failed > 0 {
					t.Errorf("%d calls are held against the API", failed)
				}
				if n := rs.count("passed"); n != len(rs) {
					t.Errorf("%d of %d users verified, want all: who stood gets one more try", n, len(rs))
				}
			})
		})
	}
}

// Three of ten calls hang whatever they travel on, and probes are answered: who
// stands is excused seldom, and the budget bounds the retries (C5).
func TestBreaker_ExcusesSeldom(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(5, 5*time.Second)
		began := time.Now()
		healthy := after(20*time.Millisecond, passes)
		often := share(0.3, hangs, healthy)
		w.becomes(func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
			if captcha.CallOf(ctx).Fresh {
				return healthy(ctx, t)
			}
			return often(ctx, t)
		})
		users := len(w.traffic(5, 2*time.Minute))
		sent, _ := w.reached(began)
		t.Logf("%d calls for %d users", sent, users)
		most := 1.2*float64(users) + 10 + 2 // the budget, full before, and the last excuse
		if float64(sent) > most {
			t.Errorf("%d calls for %d users, want at most %.0f", sent, users, most)
		}
	})
}

// Connecting takes longer than any call may stand, for a burst and for single
// users: it is neither slowness nor a call that stands, and takes no time of the
// attempt (C18).
func TestBreaker_ConnectingIsNoEvidence(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(after(280*time.Millisecond, passes))
		w.traffic(20, 2*time.Second)
		w.mu.Lock()
		w.wired = func(context.Context) { time.Sleep(900 * time.Millisecond) }
		w.mu.Unlock()
		for _, rate := range []int{1, 100} {
			for _, r := range w.traffic(rate, 2*time.Second) {
				if r.kind() != "passed" || r.took != 1180*time.Millisecond {
					t.Errorf("%s after %v", r.kind(), r.took)
				}
			}
		}
		if seen := w.transitions(); len(seen) > 0 || w.b.Status().Slow > 0 {
			t.Errorf("transitions %v, %d slow", seen, w.b.Status().Slow)
		}
	})
}

// An attempt's time begins on the wire; the request's bounds both.
func TestBreaker_AttemptBeginsOnTheWire(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(hangs)
		for connecting, want := range map[time.Duration]time.Duration{
			0: 800 * time.Millisecond, 700 * time.Millisecond: 1500 * time.Millisecond, 1500 * time.Millisecond: 2 * time.Second,
		} {
			first := time.Duration(0)
			w.mu.Lock()
			w.wired = func(ctx context.Context) {
				select {
				case <-time.After(connecting):
				case <-ctx.Done():
				}
			}
			w.answer = probesGet(passes, func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
				began := time.Now().Add(-connecting)
				v, err := hangs(ctx, t)
				if first == 0 {
					first = time.Since(began)
				}
				return v, err
			})
			w.mu.Unlock()
			w.verify(w.t.Context(), user(w.nextUser()))
			if first != want {
				t.Errorf("connecting for %v, the first attempt took %v, want %v", connecting, first, want)
			}
		}
	})
}

// Failures that say nothing about the API open nothing, at any rate: trouble of
// our own (C16), and calls whose time ended before they had the connection that
// others got.
func TestBreaker_TroubleOfOurOwnIsNoEvidence(t *testing.T) {
	rows := map[string]*captcha.Failure{
		"overloaded": {Kind: captcha.Overloaded, Err: captcha.ErrFull},
		"fault":      {Kind: captcha.Fault, Err: context.DeadlineExceeded, Connecting: true},
	}
	for kind, failure := range rows {
		inWorld(t, func(w *world) {
			w.becomes(func(context.Context, captcha.Ticket) (captcha.Verdict, error) {
				f := *failure
				return captcha.Verdict{}, &f
			})
			rs := w.traffic(200, 2*time.Second)
			if n := rs.count(kind); n != len(rs) {
				t.Errorf("%d of %d are %s", n, len(rs), kind)
			}
			if seen := w.transitions(); len(seen) > 0 || w.b.Status().Failures > 0 {
				t.Errorf("%s: transitions %v, %d failures", kind, seen, w.b.Status().Failures)
			}
			if attempts := rs[0].f.Attempts; kind == "overloaded" && attempts != 0 {
				t.Errorf("%d attempts, though nothing was sent", attempts)
			}
		})
	}
}

// A probe that meets trouble of our own says neither yes nor no.
func TestBreaker_ProbesInTroubleOfOurOwnSayNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.traffic(200, time.Second)
		w.becomes(probesGet(passes, passes))
		w.awaits(breaker.HalfOpen, 3*time.Second)
		w.becomes(refuses(captcha.Overloaded))
		time.Sleep(5 * time.Second)
		if s := w.b.State(); s != breaker.HalfOpen {
			t.Errorf("circuit is %v, want half open", s)
		}
	})
}

// Once the circuit opens nothing travels on what stood before, and users return
// on connections made since.
func TestBreaker_OpeningResetsTheConnections(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.traffic(200, 500*time.Millisecond)
		if w.resets != 1 {
			t.Errorf("reset %d times at opening, want once", w.resets)
		}
		w.becomes(passes)
		w.awaits(breaker.Recovering, 3*time.Second)
		if w.resets < 2 {
			t.Error("users return on old connections")
		}
	})
}

// C20: the latency moves for good. What was usual before the outage that this
// looks like is not the measure after it.
func TestBreaker_MeasuresAnewAfterAnOutage(t *testing.T) {
	for _, rate := range []int{20, 60, 300} {
		t.Run(fmt.Sprintf("%d a second", rate), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(after(6*time.Millisecond, passes))
				w.traffic(rate, 5*time.Second)
				w.becomes(after(450*time.Millisecond, passes))
				moved := time.Now()
				rs := w.traffic(rate, 20*time.Second)
				var last time.Duration
				for _, r := range rs {
					if r.kind() != "passed" {
						last = r.at.Sub(moved)
					}
				}
				t.Logf("the last user was held back %v after it", last)
				if n := len(modeChanges(w.transitions())); n > 2 || last > 5*time.Second {
					t.Errorf("%d mode changes, a user held back after %v; %v", n, last, w.transitions())
				}
			})
		})
	}
}

// C20: 700 users a second at 450 ms would be 315 calls at once, of which 256 are
// allowed. Who is too much is told so, and nobody else notices.
func TestBreaker_OnlyTheExcessIsOverloaded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(after(450*time.Millisecond, passes))
		w.traffic(300, 5*time.Second)
		rs := w.traffic(700, 10*time.Second)
		passed, full := rs.count("passed"), rs.count("overloaded")
		t.Logf("%d users: %d verified, %d overloaded", len(rs), passed, full)
		if possible := 256 / 0.45 * 10; passed+full != len(rs) || float64(passed) < 0.95*possible {
			t.Errorf("%d verified and %d overloaded of %d users, want %.0f verified and none otherwise", passed, full, len(rs), possible)
		}
		if seen := w.transitions(); len(seen) > 0 {
			t.Errorf("transitions %v", seen)
		}
	})
}

// The API says for how long to stay away: a retry waits as long, and if the
// request has no time for that there is none.
func TestBreaker_RetriesWhenTheAPIAskedFor(t *testing.T) {
	for after, want := range map[time.Duration]int{0: 3, 1100 * time.Millisecond: 2, 3 * time.Second: 1} {
		inWorld(t, func(w *world) {
			w.becomes(func(context.Context, captcha.Ticket) (captcha.Verdict, error) {
				return captcha.Verdict{}, &captcha.Failure{Kind: captcha.Throttled, Retryable: true, RetryAfter: after}
			})
			began := time.Now()
			w.verify(w.t.Context(), user(w.nextUser()))
			users, _ := w.reached(began)
			if users != want {
				t.Errorf("asked %d times, want %d, told to wait %v", users, want, after)
			}
			if users > 1 && w.asked[1].at.Sub(w.asked[0].at) < after {
				t.Errorf("came back after %v, told to wait %v", w.asked[1].at.Sub(w.asked[0].at), after)
			}
		})
	}
}
