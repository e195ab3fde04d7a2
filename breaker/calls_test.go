package breaker_test

import (
	"testing"
	"time"

	"captchagate/captcha"
)

// A call that nobody answers is the API's failure whether it met its time-out or the circuit
// released it, and those who are not asked about then are spared: what is told of calls are
// all calls that reached the API. O2
func TestCalls_ThatHangAreFailures(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(100, 3*time.Second)
		reached := w.callsOfUsers()
		w.becomes(hangs)
		rs := w.traffic(100, 10*time.Second)
		w.becomes(after(20*time.Millisecond, passes))
		time.Sleep(5 * time.Second)
		all, failed := w.sawCalls(false)
		if want := w.callsOfUsers() - reached; failed != want || all != w.callsOfUsers() || failed == 0 {
			t.Errorf("%d of %d calls failed, want %d of %d", failed, all, want, w.callsOfUsers())
		}
		spared := 0
		for _, r := range rs {
			if r.f != nil && r.f.Kind == captcha.CircuitOpen && r.f.Attempts == 0 {
				spared++
			}
		}
		if w.spared != spared || spared < 900 {
			t.Errorf("%d users spared, want %d", w.spared, spared)
		}
		if probes, ill := w.sawCalls(true); probes == 0 || ill == 0 || ill >= probes {
			t.Errorf("%d of %d probes failed", ill, probes)
		}
	})
}

// Where the API hangs for users and not for probes, its kept connections look dead: the
// retries on others show that they are not. O2
func TestCalls_ThatHangBesideAnsweredProbesAreFailures(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(5, 3*time.Second)
		before := w.callsOfUsers()
		w.becomes(probesGet(passes, onKept(hangs)))
		for range 4 {
			w.traffic(1, time.Second)
			time.Sleep(3 * time.Second)
		}
		if _, failed := w.sawCalls(false); failed != w.callsOfUsers()-before || failed < 4 {
			t.Errorf("%d calls failed, want %d", failed, w.callsOfUsers()-before)
		}
	})
}

// An API whose answers are right and slow serves: what the circuit gives up on then is not
// its failure. Nor is throttling, a refused account, or trouble of our own, which never
// reached it. O2
func TestCalls_ThatAreNoFailures(t *testing.T) {
	for name, answer := range map[string]answerer{
		"slow": after(700*time.Millisecond, passes), "throttled": refuses(captcha.Throttled),
		"refused": refuses(captcha.Misconfigured), "overloaded": refuses(captcha.Overloaded),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(answer)
				w.traffic(100, 3*time.Second)
				time.Sleep(2 * time.Second)
				w.becomes(after(20*time.Millisecond, passes))
				time.Sleep(5 * time.Second)
				if all, failed := w.sawCalls(false); failed > 0 || (all == 0) != (name == "overloaded") {
					t.Errorf("%d of %d calls failed", failed, all)
				}
			})
		})
	}
}

// callsOfUsers is how many of those reached the API so far.
func (w *world) callsOfUsers() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if !a.probe {
			n++
		}
	}
	return n
}
