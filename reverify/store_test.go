package reverify_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/reverify"
)

// moody is a store that can be told to refuse.
type moody struct {
	reverify.Store
	mu     sync.Mutex
	bucket string // whose writes fail; "*" = all of them
	happen bool   // the write that fails happens all the same
	hang   bool   // until the caller gives up
}

func (m *moody) refuses(bucket string) { m.set(func() { m.bucket = bucket }) }

func (m *moody) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *moody) mood(ctx context.Context, bucket string, do func() error) error {
	m.mu.Lock()
	refuses, happen, hang := m.bucket == "*" || m.bucket == bucket, m.happen, m.hang
	m.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if !refuses {
		return do()
	}
	if happen {
		_ = do()
	}
	return errors.New("disk full")
}

func (m *moody) Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error {
	return m.mood(ctx, bucket, func() error { return m.Store.Put(ctx, bucket, key, value, life) })
}

func (m *moody) Delete(ctx context.Context, bucket, key string) error {
	return m.mood(ctx, bucket, func() error { return m.Store.Delete(ctx, bucket, key) })
}

// inMoodyWorld is inWorld over a store that can be told to refuse.
func inMoodyWorld(t *testing.T, cfg reverify.Config, story func(w *world, m *moody)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &moody{Store: open(t)}
		w := &world{t: t, kept: m, api: newAPI(), hook: &hook{}, share: &share{}, cfg: cfg}
		w.start()
		story(w, m)
		w.stop()
	})
}

func TestAdd_FailsWhereTheEntryCannotBeKept(t *testing.T) {
	inMoodyWorld(t, webhook, func(w *world, m *moody) {
		m.refuses("*")
		if err := w.q.Add(w.t.Context(), entry("a")); err == nil {
			t.Error("kept in a store that refuses")
		}
		m.refuses("")
		w.share.is(1)
		if got := w.reported(captcha.TicketLife + 10*time.Second); len(got) != 0 || w.q.Held() != 0 {
			t.Errorf("reported %v, holds %d", got, w.q.Held())
		}
	})
}

// The store may say no and write it down all the same.
func TestAdd_ThatFailedLeavesNothingBehind(t *testing.T) {
	inMoodyWorld(t, webhook, func(w *world, m *moody) {
		m.set(func() { m.bucket, m.happen = "*", true })
		if err := w.q.Add(w.t.Context(), entry("a")); err == nil {
			t.Error("no error")
		}
		m.set(func() { m.bucket, m.happen = "", false })
		pass(3 * time.Second)
		w.restart()
		w.share.is(1)
		if got := w.reported(10 * time.Second); len(got) != 0 || len(w.api.questions()) != 0 {
			t.Errorf("asked about somebody who was not let in: %v", got)
		}
	})
}

func TestAdd_DoesNotWaitForAStoreThatHangs(t *testing.T) {
	inMoodyWorld(t, webhook, func(w *world, m *moody) {
		m.set(func() { m.hang = true })
		began := time.Now()
		if err := w.q.Add(w.t.Context(), entry("a")); err == nil || time.Since(began) > 250*time.Millisecond {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
		w.q.Wait(20)
		began = time.Now()
		if err := w.q.Add(w.t.Context(), entry("b")); err == nil || time.Since(began) != 5*time.Second {
			t.Errorf("on a machine that is known to be busy: error %v after %v, want one after 5s", err, time.Since(began))
		}
		m.set(func() { m.hang = false })
	})
}

func TestAdd_GoesOnWhereItsCallerGoesAway(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		ctx, cancel := context.WithCancel(w.t.Context())
		cancel()
		if err := w.q.Add(ctx, entry("a")); err != nil {
			t.Error(err)
		}
	})
}

func TestAdd_RefusesAnEntryWithoutAName(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		if err := w.q.Add(w.t.Context(), entry("a", func(e *reverify.Entry) { e.DecisionID = "" })); err == nil || w.q.Held() != 0 {
			t.Errorf("error %v, holds %d", err, w.q.Held())
		}
	})
}

func TestAdd_RefusesWhatIsTooManyUntilReportsAreAcknowledged(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.stop()
		w.start()
		w.q.HoldAtMost(3)
		w.hook.is(500, nil)
		w.share.is(1)
		for _, ticket := range []string{"a", "b", "c"} {
			w.lets(ticket)
		}
		if err := w.q.Add(w.t.Context(), entry("d")); !errors.Is(err, reverify.ErrFull) {
			t.Errorf("error %v, want ErrFull", err)
		}
		pass(10 * time.Second) // reported, and not acknowledged
		if err := w.q.Add(w.t.Context(), entry("d")); !errors.Is(err, reverify.ErrFull) {
			t.Errorf("error %v, want ErrFull", err)
		}
		w.hook.is(0, nil)
		pass(time.Minute)
		w.lets("d")
	})
}

// Where nobody is to be told, reports that nobody reads refuse no user.
func TestAdd_ForgetsOldReportsWhereThereIsNoWebhook(t *testing.T) {
	inWorld(t, reverify.Config{}, func(w *world) {
		w.q.HoldAtMost(3)
		w.share.is(1)
		for _, ticket := range []string{"a", "b", "c", "d", "e"} {
			w.lets(ticket)
			pass(10 * time.Second)
		}
		wantOrder(t, w, 10, "outage-1: e d c")
		w.restart()
		wantOrder(t, w, 10, "outage-1: e d c")
	})
}

func TestQueue_ReportsOnceTheStoreCanBeWrittenAgain(t *testing.T) {
	for _, bucket := range []string{"*", "reverify-entries", "reverify-batches"} {
		for _, happen := range []bool{false, true} {
			inMoodyWorld(t, webhook, func(w *world, m *moody) {
				w.api.codes["ticket-b"] = 15
				w.lets("a")
				w.lets("b")
				w.share.is(1)
				pass(2 * time.Second) // asked
				w.lets("c")           // perhaps not
				m.set(func() { m.bucket, m.happen = bucket, happen })
				pass(time.Minute)
				m.set(func() { m.bucket, m.happen = "", false })
				got := w.reported(2 * time.Minute)
				c := got["decision-c"].Result
				if c != reverify.Confirmed {
					t.Errorf("%s, happens %v: c is %q", bucket, happen, c)
				}
				wantResults(t, got, map[string]reverify.Result{"a": reverify.Confirmed, "b": reverify.Refuted, "c": c})
				if w.q.Held() != 0 {
					t.Errorf("holds %d", w.q.Held())
				}
			})
		}
	}
}
