package breaker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"captchagate/captcha"
)

// waits is an API that never answers, asked as net/http does it: with a context
// derived from the call's. It notes why the call ended.
func (w *world) waits(why *sync.Map) answerer {
	return func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		derived, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		<-derived.Done()
		why.Store(t.Value, context.Cause(derived))
		kind := captcha.Fault
		if errors.Is(derived.Err(), context.Canceled) {
			kind = captcha.Cancelled
		}
		return captcha.Verdict{}, &captcha.Failure{Kind: kind, Err: derived.Err(), FateUnknown: true}
	}
}

// An attempt ends with its time, with its caller, or with the circuit, whichever
// comes first, and takes with it what was derived from its context.
func TestBreaker_BoundsAnAttempt(t *testing.T) {
	cfg, limits := defaults()
	limits.MaxAttempts = 1
	for _, row := range []struct {
		name string
		end  func(w *world, hangUp context.CancelFunc)
		took time.Duration
		kind captcha.Kind
		why  error
	}{
		{"its time", func(*world, context.CancelFunc) {}, 800 * time.Millisecond, captcha.Fault, context.DeadlineExceeded},
		{"its caller", func(_ *world, hangUp context.CancelFunc) { time.AfterFunc(50*time.Millisecond, hangUp) }, 50 * time.Millisecond, captcha.Cancelled, context.Canceled},
		{"a caller that was gone before", func(_ *world, hangUp context.CancelFunc) { hangUp() }, 0, captcha.Cancelled, context.Canceled},
		{"the circuit", func(w *world, _ context.CancelFunc) { w.others.Go(func() { w.traffic(200, 300*time.Millisecond) }) }, 500 * time.Millisecond, captcha.CircuitOpen, context.Canceled},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorldOf(t, cfg, limits, func(w *world) {
				var why sync.Map
				w.becomes(w.waits(&why))
				ctx, hangUp := context.WithCancel(w.t.Context())
				defer hangUp()
				row.end(w, hangUp)
				one := user(1_000_000)
				r := w.verify(ctx, one)
				w.others.Wait()
				if r.f == nil || r.f.Kind != row.kind || r.took > row.took || r.took < row.took-20*time.Millisecond {
					t.Errorf("%v after %v, want %v after %v", r.f, r.took, row.kind, row.took)
				}
				if cause, _ := why.Load(one.Value); !errors.Is(cause.(error), row.why) {
					t.Errorf("ended because of %v, want %v", cause, row.why)
				}
			})
		})
	}
}

// No attempt ends at another's time: hundreds of answers just at the limit, one
// after the other.
func TestBreaker_BoundsEachAttemptByItsOwnTime(t *testing.T) {
	cfg, limits := defaults()
	limits.MaxAttempts, limits.AttemptTimeout = 1, 100*time.Millisecond
	inWorldOf(t, cfg, limits, func(w *world) {
		for i := range 500 {
			late := i%50 == 49
			w.becomes(after(99*time.Millisecond, passes))
			if late {
				w.becomes(after(101*time.Millisecond, passes))
			}
			if r := w.verify(w.t.Context(), user(i)); (r.f != nil) != late {
				t.Fatalf("call %d after %v: %v", i, r.took, r.f)
			}
		}
	})
}
