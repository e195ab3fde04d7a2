package upstream_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A day in fast motion (C17): the resolver and three servers come and go at
// random, a NAT forgets flows, the name moves. Users may go without a verdict
// only as long as no address could have served a fresh client, and three seconds
// after each change.
func TestPool_ADayOfServersThatComeAndGo(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 0))
		w := newWorld(t, first, second, third)
		c := w.client(t, prometheus.NewRegistry())
		w.warm(t, c, 6)
		asked, without := 0, 0
		for end := time.Now().Add(24 * time.Hour); time.Now().Before(end); {
			change(w, r)
			changed, served := time.Now(), w.serves()
			for lasts := time.Duration(r.IntN(240)) * time.Second; time.Since(changed) < lasts; {
				asked++
				_, err := verify(t.Context(), c)
				if err != nil {
					without++
				}
				if err != nil && served && time.Since(changed) > 3*time.Second+deadline {
					t.Errorf("%v after a change, though a fresh client would be served: %v", time.Since(changed), err)
				}
				time.Sleep(time.Duration(r.IntN(20_000)) * time.Millisecond)
			}
		}
		t.Logf("%d users, %d without a verdict", asked, without)
		w.set(func() {
			for _, h := range w.hosts {
				h.handler = pass
			}
		})
	})
}

// change changes one thing.
func change(w *world, r *rand.Rand) {
	hosts := []string{first, second, third}
	h := w.hosts[hosts[r.IntN(len(hosts))]]
	switch r.IntN(12) {
	case 0:
		w.forget()
	case 1:
		w.set(func() {
			r.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
			w.names = hosts[:1+r.IntN(len(hosts))]
		})
	case 2:
		w.set(func() {
			w.lookup = func(context.Context) ([]netip.Addr, error) { return nil, errors.New("SERVFAIL") }
		})
	case 3:
		w.set(func() { w.lookup = nil })
	case 4:
		w.set(func() { h.connect, h.state = lost, down })
	case 5:
		w.set(func() { h.connect, h.state = refuse, down })
	case 6:
		w.set(func() { h.connect, h.handler, h.state = nil, unwell, down })
	default:
		w.set(func() { h.connect, h.handler, h.state = nil, pass, up })
	}
}

// serves reports whether one of the name's addresses would serve a fresh client.
// While the resolver fails nobody knows which those are.
func (w *world) serves() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lookup != nil {
		return false // what it said last may be long ago
	}
	for _, name := range w.names {
		if w.hosts[name].state == up {
			return true
		}
	}
	return false
}
