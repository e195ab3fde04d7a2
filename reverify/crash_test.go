package reverify_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/reverify"
)

var errDead = errors.New("the process is dead")

// A fuse ends the process at its n-th effect on the world outside: a write to
// the store, a question to the API, a delivery. Nothing has an effect after.
type fuse struct {
	mu    sync.Mutex
	left  int  // effects until death
	after bool // the last effect still happens, and nobody hears of it
	dead  bool
	died  func()
}

// burn runs do unless the process is dead.
func (f *fuse) burn(do func() error) error {
	f.mu.Lock()
	if f.dead {
		f.mu.Unlock()
		return errDead
	}
	f.left--
	last := f.left <= 0
	f.dead = last
	f.mu.Unlock()
	if !last {
		return do()
	}
	if f.after {
		_ = do()
	}
	f.died()
	return errDead
}

func (f *fuse) isDead() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.dead }

type mortalStore struct {
	reverify.Store
	fuse *fuse
}

func (s mortalStore) Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error {
	return s.fuse.burn(func() error { return s.Store.Put(ctx, bucket, key, value, life) })
}

func (s mortalStore) Delete(ctx context.Context, bucket, key string) error {
	return s.fuse.burn(func() error { return s.Store.Delete(ctx, bucket, key) })
}

func (s mortalStore) Get(ctx context.Context, bucket, key string) ([]byte, bool, error) {
	if s.fuse.isDead() {
		return nil, false, errDead
	}
	return s.Store.Get(ctx, bucket, key)
}

func (s mortalStore) List(ctx context.Context, bucket string, most int) (iter.Seq2[string, []byte], error) {
	return s.Store.List(ctx, bucket, most)
}

type mortalAPI struct {
	*api
	fuse *fuse
}

func (a mortalAPI) Verify(ctx context.Context, t captcha.Ticket) (v captcha.Verdict, err error) {
	if died := a.fuse.burn(func() error { v, err = a.api.Verify(ctx, t); return nil }); died != nil {
		return captcha.Verdict{}, failure(captcha.Fault, true)
	}
	return v, err
}

type mortalHook struct {
	*hook
	fuse *fuse
}

func (h mortalHook) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	if died := h.fuse.burn(func() error { resp, err = h.hook.RoundTrip(req); return nil }); died != nil {
		return nil, died
	}
	return resp, err
}

// The process dies at each of its effects in turn, before it and after it, and
// another one goes on with what the store holds.
func TestQueue_LosesNothingWhereverItDies(t *testing.T) {
	for _, after := range []bool{false, true} {
		deaths := 0
		for n := 1; ; n++ {
			died := false
			t.Run(fmt.Sprintf("effect %d, happens %v", n, after), func(t *testing.T) { died = dieAt(t, n, after) })
			if !died || t.Failed() {
				break
			}
			deaths++
		}
		if deaths < 50 {
			t.Errorf("died at %d effects only", deaths)
		}
		t.Logf("died at %d effects", deaths)
	}
}

func dieAt(t *testing.T, n int, after bool) (died bool) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, api: newAPI(), hook: &hook{}, share: &share{of: 1}, cfg: webhook}
		kept := open(t)
		w.fuse = &fuse{left: n, after: after, died: func() { go w.stop() }}
		w.kept = mortalStore{kept, w.fuse}
		w.start()
		want := w.letsSome()
		pass(12 * time.Second)
		died = w.fuse.isDead()

		w.stop()
		w.kept, w.fuse = kept, nil // a new process
		w.start()
		got := w.reported(20 * time.Second)
		wantTruth(t, w, got, want)
		if held := w.q.Held(); held != 0 {
			t.Errorf("%d entries are left", held)
		}
		w.stop()
	})
	return died
}

// letsSome lets eight in, and returns what must be found about those that were
// acknowledged.
func (w *world) letsSome() map[string]reverify.Result {
	want := map[string]reverify.Result{}
	for i := range 8 {
		ticket := strconv.Itoa(i)
		want[ticket] = reverify.Confirmed
		if i%2 == 1 {
			want[ticket] = reverify.Refuted
			w.api.codes["ticket-"+ticket] = 15
		}
		change := func(e *reverify.Entry) {
			e.Incident = []string{"", "outage-1"}[i/4]
			e.Ticket.Subject = "user-" + ticket
		}
		if w.q.Add(w.t.Context(), entry(ticket, change)) != nil {
			delete(want, ticket)
		}
		pass(200 * time.Millisecond)
	}
	return want
}

// wantTruth wants a report of each acknowledged decision. About those that
// were asked twice, because the process died before it kept the answer, nobody
// can tell any more; that is at most as many as are asked at once.
func wantTruth(t *testing.T, w *world, got map[string]reverify.Report, want map[string]reverify.Result) {
	t.Helper()
	asked := map[string]int{}
	for _, q := range w.api.questions() {
		asked[strings.TrimPrefix(q.ticket, "ticket-")]++
	}
	unsure := 0
	for ticket, result := range want {
		r := got["decision-"+ticket]
		if r.Result == reverify.Unverifiable && asked[ticket] > 1 {
			unsure++
			continue
		}
		if r.Result != result {
			t.Errorf("%s: result %q, want %q; asked %d times", ticket, r.Result, result, asked[ticket])
		}
		if result == reverify.Refuted && !w.q.Refuted(netip.Addr{}, "user-"+ticket) {
			t.Errorf("%s is refuted in a report and nobody remembers", ticket)
		}
	}
	if unsure > 4 {
		t.Errorf("%d of %d cannot be told any more", unsure, len(want))
	}
}
