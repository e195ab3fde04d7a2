package breaker_test

import (
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
	mu     sync.Mutex
	told   []breaker.Transition
	reason string
	lead   bool
}

func (f *fleet) Report(t breaker.Transition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, t)
}

func (f *fleet) Quorum() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reason
}

func (f *fleet) Lead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lead
}

func (f *fleet) becomes(reason string, lead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reason, f.lead = reason, lead
}

// An instance opens with a quorum of its peers, though it sees nothing wrong
// itself, leaves probing to who leads, and recovers when it is its own turn.
func TestBreaker_FollowsItsPeers(t *testing.T) {
	cfg, limits := defaults()
	peers := &fleet{}
	inWorldWith(t, cfg, limits, peers, func(w *world) {
		w.traffic(50, time.Second)
		peers.becomes("2 of 3 instances are ill", false)
		start := time.Now()
		w.others.Go(func() { w.traffic(50, time.Second) })
		if took := w.awaits(breaker.Open, time.Second); took > 50*time.Millisecond {
			t.Errorf("opened %v after the quorum", took)
		}
		if e := w.b.Status().Evidence; e != "2 of 3 instances are ill" {
			t.Errorf("evidence %q", e)
		}
		w.others.Wait()
		time.Sleep(20 * time.Second)
		if _, probes := w.reached(start); probes > 0 || w.b.State() != breaker.Open {
			t.Errorf("%d probes of an instance that does not lead; circuit %v", probes, w.b.State())
		}
		peers.becomes("", true)
		w.awaits(breaker.Recovering, 6*time.Second)
		w.awaits(breaker.Closed, 11*time.Second)
		synctest.Wait() // until all were told
		if !slices.Equal(peers.told, w.transitions()) || len(peers.told) != 4 {
			t.Errorf("the peers were told %v, the journal %v", peers.told, w.transitions())
		}
	})
}

// Instances with one placement key let the same users return first, so that
// nobody is sent on here and turned away there; another key orders them anew.
func TestBreaker_PlacesUsersByItsKey(t *testing.T) {
	cfg, limits := defaults()
	inWorld(t, func(w *world) {
		w.becomes(passes)
		sent := func(b *breaker.Breaker, who func(n int) captcha.Ticket) (users []bool) {
			for n := range 1000 {
				_, err := b.Verify(w.t.Context(), who(n))
				users = append(users, err == nil)
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
			time.Sleep(5 * time.Second) // half of the ramp
			a, b, c := sent(first, who), sent(same, who), sent(other, who)
			if n := differ(a, make([]bool, 1000)); n < 450 || n > 550 {
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
