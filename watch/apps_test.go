package watch_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/watch"
)

// Get is what is on the shelf.
func (s *shelf) Get(_ context.Context, bucket, key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.kept[bucket+"/"+key]
	return value, ok, nil
}

// An oracle answers with one code.
type oracle struct{ code int64 }

func (o *oracle) Verify(context.Context, captcha.Ticket) (captcha.Verdict, error) {
	v := captcha.Verdict{Answer: &captcha.Answer{Code: o.code}}
	if o.code == captcha.CodeOK {
		v.Outcome = captcha.Passed
	}
	return v, nil
}

// apps watches two apps over a shelf.
type apps struct {
	*watch.Apps
	oracle oracle
	told   []bool
	stop   func()
}

const firstApp, secondApp = 190000001, 190000002

func watchApps(t *testing.T, s *shelf, key byte) *apps {
	t.Helper()
	a := &apps{}
	var err error
	a.Apps, err = watch.NewApps(t.Context(), &a.oracle, map[uint64][8]byte{firstApp: {key}, secondApp: {7}}, s,
		func(s watch.Suspicion) { a.told = append(a.told, s.Suspect) }, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { a.Run(ctx) })
	a.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(a.stop)
	return a
}

// answers has n tickets of the first app answered with a code.
func (a *apps) answers(n int, code int64) {
	a.oracle.code = code
	for range n {
		_, _ = a.Verify(context.Background(), captcha.Ticket{AppID: firstApp})
	}
}

// O1: what makes an app suspect, and what does not.
func TestApps_SuspectWithoutAPass(t *testing.T) {
	for _, row := range []struct {
		name string
		play func(a *apps)
		want bool
	}{
		{"nineteen", func(a *apps) { a.answers(19, 100) }, false},
		{"twenty, code 15", func(a *apps) { a.answers(20, 15) }, true},
		{"twenty, code 16", func(a *apps) { a.answers(20, 16) }, true},
		{"of mixed codes", func(a *apps) { a.answers(10, 100); a.answers(10, 15) }, true},
		{"among expired and used tickets", func(a *apps) { a.answers(500, 8); a.answers(20, 100) }, true},
		{"expired and used tickets alone", func(a *apps) { a.answers(500, 8); a.answers(500, 9); a.answers(500, 21) }, false},
		{"a pass first", func(a *apps) { a.answers(1, 1); a.answers(500, 15) }, false},
		{"a pass first, and none for five minutes", func(a *apps) {
			a.answers(1, 1)
			for range 20 {
				a.answers(1, 100)
				pass(16 * time.Second)
			}
		}, true},
		{"the same among other codes", func(a *apps) {
			a.answers(1, 1)
			for range 30 {
				a.answers(9, 100)
				a.answers(1, 8)
				pass(16 * time.Second)
			}
		}, false},
		{"a pass now and then", func(a *apps) {
			for range 30 {
				a.answers(1, 1)
				a.answers(100, 100)
				pass(time.Minute)
			}
		}, false},
		{"a pass after all", func(a *apps) { a.answers(20, 100); a.answers(1, 1) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := watchApps(t, &shelf{kept: map[string][]byte{}}, 1)
				row.play(a)
				if got := len(a.Suspects()) > 0; got != row.want {
					t.Errorf("suspect: %v, want %v", got, row.want)
				}
				if row.want && (len(a.told) != 1 || !a.told[0]) {
					t.Errorf("told %v", a.told)
				}
			})
		})
	}
}

// What was learned of a key outlives a kill, and not the key.
func TestApps_KeepWhatTheyLearnedOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &shelf{kept: map[string][]byte{}}
		first := watchApps(t, disk, 1)
		first.answers(20, 100)
		synctest.Wait()
		second := watchApps(t, disk.asOfNow(), 1)
		if s := second.Suspects(); len(s) != 1 || s[0].AppID != firstApp || s[0].Code != 100 || !s[0].Since.Equal(first.Suspects()[0].Since) {
			t.Errorf("after a restart: %+v", s)
		}
		if s := watchApps(t, disk.asOfNow(), 2).Suspects(); len(s) != 0 {
			t.Errorf("another key is suspect: %+v", s)
		}
		disk.be(true)
		first.answers(1, 1)
		pass(time.Minute)
		disk.be(false)
		pass(2 * time.Second)
		third := watchApps(t, disk.asOfNow(), 1)
		third.answers(500, 15)
		if s := third.Suspects(); len(s) != 0 {
			t.Errorf("the pass is forgotten: %+v", s)
		}
	})
}
