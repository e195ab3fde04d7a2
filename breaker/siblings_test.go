package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
)

// relatives are siblings that write down what they are told, and know a fate.
type relatives struct {
	began time.Time

	mu                 sync.Mutex
	told               []string
	unknown, abandoned bool
	stands             time.Duration // how long a call of theirs does
}

func (r *relatives) tells(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, fmt.Sprintf("%s after %v", what, time.Since(r.began).Round(50*time.Millisecond)))
}

func (r *relatives) Stands(captcha.Key) { r.tells("stands") }
func (r *relatives) Ended(captcha.Key)  { r.tells("ended") }

func (r *relatives) Fate(ctx context.Context, _ captcha.Key) (unknown, abandoned bool) {
	select {
	case <-ctx.Done():
	case <-time.After(r.stands):
	}
	return r.unknown, r.abandoned
}

// inFamily runs a story beside siblings.
func inFamily(t *testing.T, r *relatives, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg, limits := defaults()
		limits.MaxAttempts = 1
		w := newWorld(t, cfg, limits, nil)
		r.began, w.siblings, w.registry = time.Now(), r, prometheus.NewRegistry()
		w.b = w.another("the order of users", cfg, limits, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.b.Run(ctx) })
		story(w)
		cancel()
		running.Wait()
	})
}

// A6: siblings are told of a call that stands for a quarter of a second, and when it is
// over; of one that is quicker they are not. Connecting is no standing.
func TestBreaker_TellsSiblingsOfCallsThatStand(t *testing.T) {
	for name, row := range map[string]struct {
		answer answerer
		wired  time.Duration
		want   []string
	}{
		"quick":                {after(200*time.Millisecond, passes), 0, nil},
		"slow":                 {after(450*time.Millisecond, passes), 0, []string{"stands after 250ms", "ended after 450ms"}},
		"hangs":                {hangs, 0, []string{"stands after 250ms", "ended after 800ms"}},
		"connects for long":    {after(100*time.Millisecond, passes), 400 * time.Millisecond, nil},
		"connects and is slow": {after(400*time.Millisecond, passes), 100 * time.Millisecond, []string{"stands after 350ms", "ended after 500ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &relatives{}
			inFamily(t, r, func(w *world) {
				w.becomes(row.answer)
				w.wired = func(context.Context) { time.Sleep(row.wired) }
				w.verify(w.t.Context(), user(1))
				if !slices.Equal(r.told, row.want) {
					t.Errorf("told %v, want %v", r.told, row.want)
				}
			})
		})
	}
}

// Of two calls about one ticket the end of the last is the end.
func TestBreaker_TellsSiblingsOfTheLastCallsEnd(t *testing.T) {
	r := &relatives{}
	inFamily(t, r, func(w *world) {
		w.becomes(after(600*time.Millisecond, passes))
		var callers sync.WaitGroup
		callers.Go(func() { w.verify(w.t.Context(), user(1)) })
		time.Sleep(200 * time.Millisecond)
		w.verify(w.t.Context(), user(1))
		callers.Wait()
		if want := []string{"stands after 250ms", "stands after 450ms", "ended after 800ms"}; !slices.Equal(r.told, want) {
			t.Errorf("told %v, want %v", r.told, want)
		}
	})
}

// A6: on a code 9 siblings are asked, and waited for until the request's deadline. Only
// what they leave open is unknown.
func TestBreaker_AsksSiblingsOnACode9(t *testing.T) {
	for name, row := range map[string]struct {
		r         *relatives
		code      int64
		unknown   bool
		abandoned bool
		took      time.Duration
	}{
		"they know nothing":        {&relatives{}, captcha.CodeReused, false, false, 0},
		"theirs ended well":        {&relatives{stands: 300 * time.Millisecond}, captcha.CodeReused, false, false, 300 * time.Millisecond},
		"theirs is unknown":        {&relatives{unknown: true}, captcha.CodeReused, true, false, 0},
		"its caller left":          {&relatives{abandoned: true}, captcha.CodeReused, true, true, 0},
		"theirs stands for ever":   {&relatives{unknown: true, stands: time.Hour}, captcha.CodeReused, true, false, 2 * time.Second},
		"another code asks nobody": {&relatives{unknown: true, stands: time.Hour}, captcha.CodeForged, false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := row.r
			inFamily(t, r, func(w *world) {
				w.becomes(code(row.code))
				began := time.Now()
				_, err := w.b.Verify(w.t.Context(), user(1))
				f := new(captcha.Failure)
				if unknown := errors.As(err, &f) && f.Kind == captcha.OutcomeUnknown; unknown != row.unknown || f.Abandoned != row.abandoned || time.Since(began) != row.took {
					t.Errorf("%v after %v, want unknown %v, abandoned %v after %v", err, time.Since(began), row.unknown, row.abandoned, row.took)
				}
			})
		})
	}
}
