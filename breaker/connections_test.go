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
			return hangs(ctx, t)
		}
		return alive(ctx, t)
	})
}

// A NAT forgot all flows, and a fresh client is served: nothing opens, and within
// half a second no user notices any more (C17).
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
				t.Logf("%d of %d users verified", rs.count("passed"), len(rs))
			})
		})
	}
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
			w.answer = func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
				began := time.Now().Add(-connecting)
				v, err := hangs(ctx, t)
				if first == 0 {
					first = time.Since(began)
				}
				return v, err
			}
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

// The latency moves for good: what was usual before the outage that this looks
// like is not the measure after it (C20).
func TestBreaker_MeasuresAnewAfterAnOutage(t *testing.T) {
	for _, rate := range []int{20, 60, 300} {
		t.Run(fmt.Sprintf("%d a second", rate), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(after(6*time.Millisecond, passes))
				w.traffic(rate, 5*time.Second)
				w.becomes(after(450*time.Millisecond, passes))
				rs := w.traffic(rate, 20*time.Second)
				opened := 0
				for _, tr := range w.transitions() {
					if tr.To == breaker.Open {
						opened++
					}
				}
				if opened > 1 {
					t.Errorf("opened %d times: %v", opened, w.transitions())
				}
				t.Logf("%d of %d users verified; %v", rs.count("passed"), len(rs), w.transitions())
			})
		})
	}
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
