package breaker_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"captchagate/captcha"
)

// queue is an API that works calls off one after the other, at a rate, also
// those whose callers have left; during a blackout it works off none.
type queue struct {
	mu       sync.Mutex
	each     time.Duration
	free     time.Time // when the last of the queue will be done
	blackout time.Time // until then nothing is done
}

func (q *queue) answer(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	q.mu.Lock()
	now := time.Now()
	for _, least := range []time.Time{now, q.blackout} {
		if q.free.Before(least) {
			q.free = least
		}
	}
	q.free = q.free.Add(q.each)
	wait := q.free.Sub(now)
	q.mu.Unlock()
	return after(wait+10*time.Millisecond, passes)(ctx, t)
}

// impatient is a caller that gives up after a second and asks again, until it
// is told something or has asked ten times.
func impatient(ctx context.Context, ask func(ctx context.Context) error) (full bool) {
	for range 10 {
		once, cancel := context.WithTimeout(ctx, time.Second)
		err := ask(once)
		gaveUp := once.Err() != nil
		cancel()
		if !gaveUp {
			return err == nil
		}
	}
	return false
}

// play sends rate such callers a second through a blackout of 10 s, at an API
// that can do 300 for each 280 of them, and returns the share of full verdicts among
// those who came 16 to 19 s after its end.
func (w *world) play(rate int, ask func(ctx context.Context, t captcha.Ticket) error) float64 {
	q := &queue{each: time.Second * 280 / 300 / time.Duration(rate)}
	w.becomes(q.answer)
	start := time.Now()
	from, to := start.Add(31*time.Second), start.Add(34*time.Second)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var came, full int
	for n := range rate * 34 {
		at := start.Add(time.Duration(n) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(at))
		if n == rate*5 {
			q.mu.Lock()
			q.blackout = time.Now().Add(10 * time.Second)
			q.mu.Unlock()
		}
		wg.Go(func() {
			ok := impatient(w.t.Context(), func(ctx context.Context) error { return ask(ctx, user(n)) })
			if at.Before(from) || at.After(to) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			came++
			if ok {
				full++
			}
		})
	}
	wg.Wait()
	return float64(full) / float64(came)
}

// C11: after a blackout an API near its capacity is not kept down by those who
// ask again and again.
func TestBreaker_DoesNotKeepAnOverloadGoing(t *testing.T) {
	for _, rate := range []int{280, collapses} {
		inWorld(t, func(w *world) {
			full := w.play(rate, func(ctx context.Context, tk captcha.Ticket) error {
				_, err := w.b.Verify(ctx, tk)
				return err
			})
			t.Logf("%d a second: %.1f %% full verdicts 16 s after the blackout", rate, 100*full)
			if full < 0.99 {
				t.Errorf("%d a second: %.1f %% full verdicts, want 99 %%", rate, 100*full)
			}
		})
	}
}

// collapses is at how many a second the run is shown to stay collapsed without us.
const collapses = 70

// The control: without breaker and retry budget the same run stays collapsed,
// or the story above would prove nothing.
func TestBreaker_OverloadStaysWithoutIt(t *testing.T) {
	long(t)
	inWorld(t, func(w *world) {
		full := w.play(collapses, func(ctx context.Context, tk captcha.Ticket) (err error) {
			for range 3 {
				attempt, cancel := context.WithTimeout(ctx, 800*time.Millisecond)
				_, err = w.Verify(attempt, tk)
				cancel()
				if err == nil || ctx.Err() != nil {
					break
				}
			}
			return err
		})
		t.Logf("%.1f %% full verdicts 16 s after the blackout", 100*full)
		if full > 0.1 {
			t.Errorf("%.1f %% full verdicts without us: the run has no power", 100*full)
		}
	})
}
