package breaker_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/breaker"
	"captchagate/captcha"
)

// fleet plays the other instances.
type fleet struct {
	mu       sync.Mutex
	told     []breaker.Transition
	patience int
	made     sync.Once // in the bubble
	turns    chan breaker.Turn
}

func (f *fleet) Report(t breaker.Transition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, t)
}

func (f *fleet) Patience() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.patience
}

func (f *fleet) Turns() <-chan breaker.Turn { return f.line() }

func (f *fleet) line() chan breaker.Turn {
	f.made.Do(func() { f.turns = make(chan breaker.Turn) })
	return f.turns
}

func (f *fleet) becomes(patience int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.patience = patience
}

// turn is one probe that the test allows, or calls off.
type turn struct {
	allowed bool
	found   chan breaker.Finding
}

func (t turn) Begin(context.Context) bool { return t.allowed }
func (t turn) End(f breaker.Finding)      { t.found <- f }

// An instance opens with its peers, though it sees nothing wrong itself, probes
// in place of all when it is its turn, and recovers when all do.
func TestBreaker_FollowsItsPeers(t *testing.T) {
	cfg, limits := defaults()
	peers := &fleet{}
	inWorldWith(t, cfg, limits, peers, func(w *world) {
		start := time.Now()
		w.b.Follow(breaker.Open, time.Minute, time.Minute, "2 of 3 instances are ill") // without any traffic
		if s := w.b.Status(); s.State != breaker.Open || s.Evidence != "2 of 3 instances are ill" {
			t.Errorf("%v: %s", s.State, s.Evidence)
		}
		time.Sleep(20 * time.Second)
		if _, probes := w.reached(start); probes > 0 || w.b.State() != breaker.Open {
			t.Errorf("%d probes beside the peers'; circuit %v", probes, w.b.State())
		}
		for name, c := range map[string]struct {
			api  answerer
			want breaker.Finding
		}{
			"answered": {passes, breaker.Healthy}, "refused account": {refuses(captcha.Misconfigured), breaker.Healthy},
			"fault": {refuses(captcha.Fault), breaker.Ill}, "hang": {hangs, breaker.Ill}, "throttled": {refuses(captcha.Throttled), breaker.Undecided},
		} {
			w.becomes(c.api)
			one := turn{true, make(chan breaker.Finding, 1)}
			peers.line() <- one
			if got := <-one.found; got != c.want || w.b.State() != breaker.Open {
				t.Errorf("%s: the turn found %v, want %v; circuit %v", name, got, c.want, w.b.State())
			}
		}
		w.becomes(after(20*time.Millisecond, passes))
		off := turn{false, make(chan breaker.Finding, 1)}
		peers.line() <- off
		time.Sleep(time.Second)
		if len(off.found) > 0 {
			t.Error("a probe that was called off found something")
		}
		w.b.Follow(breaker.HalfOpen, time.Minute, time.Minute, "a probe was answered")
		w.b.Follow(breaker.Open, time.Minute, time.Minute, "a probe failed")
		w.b.Follow(breaker.Recovering, time.Minute, time.Minute, "3 probes were answered")
		w.awaits(breaker.Closed, 11*time.Second)
		synctest.Wait() // until all were told
		if !slices.Equal(peers.told, w.transitions()) || len(peers.told) != 5 {
			t.Errorf("the peers were told %v, the journal %v", peers.told, w.transitions())
		}
	})
}

// Without what it talks through an instance probes for itself, as many times more
// seldom as there are others, and every 30 s at least (F10).
func TestBreaker_ProbesMoreSeldomBesideOthers(t *testing.T) {
	cfg, limits := defaults()
	for patience, most := range map[int]time.Duration{1: 5 * time.Second, 3: 15 * time.Second, 100: 30 * time.Second} {
		peers := &fleet{}
		inWorldWith(t, cfg, limits, peers, func(w *world) {
			w.becomes(refuses(captcha.Fault))
			w.b.Follow(breaker.Open, time.Hour, time.Hour, "2 of 3 instances are ill")
			time.Sleep(time.Minute)
			peers.becomes(patience)
			time.Sleep(time.Minute)
			start := time.Now()
			time.Sleep(10 * time.Minute)
			_, probes := w.reached(start)
			if low, high := int(10*time.Minute/most)-1, int(10*time.Minute*5/4/most)+1; probes < low || probes > high {
				t.Errorf("patience %d: %d probes in ten minutes, want %d to %d", patience, probes, low, high)
			}
			w.becomes(passes)
			w.awaits(breaker.Recovering, most+time.Second)
		})
	}
}

// Evidence of an instance's own opens its circuit again, whatever its peers have
// decided.
func TestBreaker_OpensAgainAfterItsPeersRecovered(t *testing.T) {
	cfg, limits := defaults()
	inWorldWith(t, cfg, limits, &fleet{patience: 1}, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.others.Go(func() { w.traffic(200, 5*time.Second) })
		w.awaits(breaker.Open, time.Second)
		w.b.Follow(breaker.Recovering, time.Second, time.Second, "3 probes were answered")
		if s := w.b.State(); s != breaker.Recovering {
			t.Errorf("circuit %v", s)
		}
		w.awaits(breaker.Open, time.Second)
		w.others.Wait()
	})
}

// Instances with one placement key let the same users return first, so that
// nobody is sent on here and turned away there; another key orders them anew.
func TestBreaker_PlacesUsersByItsKey(t *testing.T) {
	cfg, limits := defaults()
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Overloaded)) // which says nothing, so the share stays
		sent := func(b *breaker.Breaker, who func(n int) captcha.Ticket) (users []bool) {
			for n := range 1000 {
				_, err := b.Verify(w.t.Context(), who(n))
				users = append(users, captcha.AsFailure(err).Kind != captcha.Recovering)
			}
			return users
		}
		differ := func(a, b []bool) (n int) {
			for i := range a {
				if a[i] != b[i] {
					n++
				}
			}
			return n
		}
		account := func(n int) captcha.Ticket {
			tk := user(n)
			tk.Subject, tk.UserIP = tk.Value, user(1).UserIP
			return tk
		}
		for name, who := range map[string]func(int) captcha.Ticket{"by address": user, "by subject": account} {
			w.registry = prometheus.NewRegistry()
			same := w.another("the order of users", cfg, limits, nil)
			w.registry = prometheus.NewRegistry()
			other := w.another("another order", cfg, limits, nil)
			w.registry = prometheus.NewRegistry()
			first := w.another("the order of users", cfg, limits, nil)
			for _, b := range []*breaker.Breaker{first, same, other} {
				b.Ramp(time.Minute)
			}
			for range 25 { // half of the ramp
				time.Sleep(200 * time.Millisecond)
				for _, b := range []*breaker.Breaker{first, same, other} {
					b.Share() // looks at the ramp, as Run does
				}
			}
			a, b, c := sent(first, who), sent(same, who), sent(other, who)
			if n := differ(a, make([]bool, 1000)); n < 450 || n > 600 {
				t.Errorf("%s: %d of 1000 users are sent on in the middle of the ramp", name, n)
			}
			if n := differ(a, b); n > 0 {
				t.Errorf("%s: with one key %d of 1000 users are placed differently", name, n)
			}
			if n := differ(a, c); n < 400 {
				t.Errorf("%s: with another key only %d of 1000 users are placed differently", name, n)
			}
		}
	})
}
