package simulator_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/simulator"
)

func TestFault_EndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
		set(t, s, simulator.Fault{Kind: simulator.Empty, For: 15 * time.Second})
		time.Sleep(15*time.Second - 1)
		if got := ask(t, s, issue(t, s, "valid")); !isEmpty(got) {
			t.Errorf("just before its end: %s", got.what())
		}
		time.Sleep(1)
		if got := ask(t, s, issue(t, s, "valid")).what(); got != "1" {
			t.Errorf("at its end: %s", got)
		}
	})
}

func TestFault_HitsItsShare(t *testing.T) {
	for _, kind := range []simulator.Kind{simulator.Empty, simulator.Refuse, simulator.Reset} {
		for _, share := range []float64{0, 0.3, 1} {
			synctest.Test(t, func(t *testing.T) {
				s := simulator.New(simulator.Config{Seed: 42, Latency: simulator.NoLatency})
				set(t, s, simulator.Fault{Kind: kind, Share: &share, For: time.Hour})
				const calls = 600
				hits := 0
				for range calls {
					if ask(t, s, simulator.Ticket{Ticket: disa, Randstr: "@r"}).what() == "nothing" {
						hits++
					}
				}
				got := float64(hits) / calls
				if got < share-0.05 || got > share+0.05 || share != 0.3 && got != share {
					t.Errorf("%s with share %v hits %v of the calls", kind, share, got)
				}
			})
		}
	}
}

func TestFault_NoneWithLatencyOnlySlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{Jitter: 10 * time.Millisecond, Seed: 1})
		set(t, s, simulator.Fault{Kind: simulator.None, Latency: 500 * time.Millisecond, Consume: new(false)})
		seen := map[time.Duration]bool{}
		for range 20 {
			got := ask(t, s, issue(t, s, "valid"))
			if got.what() != "1" || got.took < 520*time.Millisecond || got.took > 530*time.Millisecond {
				t.Fatalf("answer %s after %v, want 1 after 520 to 530 ms", got.what(), got.took)
			}
			seen[got.took] = true
		}
		if len(seen) < 10 {
			t.Errorf("only %d different latencies in 20 calls: there is no jitter", len(seen))
		}
	})
}

func TestFault_DefaultsOfSlowHangAndRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		set(t, s, simulator.Fault{Kind: simulator.Slow})
		if got := ask(t, s, issue(t, s, "valid")); got.took != 2020*time.Millisecond || got.what() != "1" {
			t.Errorf("slow answers %s after %v, want 1 after 2.02s", got.what(), got.took)
		}
		set(t, s, simulator.Fault{Kind: simulator.Hang})
		if got := ask(t, s, issue(t, s, "valid")); got.took != 2*time.Minute+20*time.Millisecond || !isReset(got) {
			t.Errorf("a hang that nobody gives up on ends with %v after %v, want a reset after two minutes", got.err, got.took)
		}
		set(t, s, simulator.Fault{Kind: simulator.Refuse})
		time.Sleep(time.Minute - 1)
		if got := ask(t, s, issue(t, s, "valid")); !isRefused(got) {
			t.Errorf("refuse ended early: %s", got.what())
		}
		time.Sleep(1)
		if got := ask(t, s, issue(t, s, "valid")).what(); got != "1" {
			t.Errorf("refuse goes on after a minute: %s", got)
		}
	})
}

func TestFault_ArrearsHaveACodeOfTheirOwnForMini(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		set(t, s, simulator.Fault{Kind: simulator.Arrears})
		f := callFor(issue(t, s, "valid")).with("Randstr", nil)
		if got := send(s, request(t.Context(), "http://captcha.test", mini, f)).what(); got != "31" {
			t.Errorf("answer is %s, want 31", got)
		}
	})
}

func TestFault_ThrottlesInEveryVariant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{Seed: 5})
		set(t, s, simulator.Fault{Kind: simulator.Throttle})
		seen := map[string]bool{}
		for range 60 {
			seen[ask(t, s, issue(t, s, "valid")).what()] = true
		}
		if len(seen) != 4 || !seen["RequestLimitExceeded"] {
			t.Errorf("throttling says %v", seen)
		}
	})
}

func TestFault_RefusesMistakesAndKeepsTheOldOne(t *testing.T) {
	s := simulator.New(simulator.Config{})
	set(t, s, simulator.Fault{Kind: simulator.Empty})
	err := s.SetFault(simulator.Fault{Kind: "explode", Share: new(1.5), For: -1, Latency: -1})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("want four mistakes, have: %v", err)
	}
	if _, body := control(t, s, http.MethodGet, "http://x/_sim/fault", ""); !strings.Contains(body, `"kind":"empty"`) {
		t.Errorf("the fault in force is now %s", body)
	}
}

func TestQueue_WorksOffItsCapacityInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{Capacity: 10, Latency: simulator.NoLatency})
		took := make(chan time.Duration, 30)
		for range 30 {
			ticket := issue(t, s, "valid")
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				took <- send(s, request(ctx, "http://captcha.test", web, callFor(ticket))).took
			}()
		}
		time.Sleep(2 * time.Second)
		if got := s.Stats().Abandoned; got < 20 || got > 21 {
			t.Errorf("%d of 30 callers gave up within a second, want those beyond the first ten", got)
		}
		// The twenty that left are worked off all the same: a second is left of them.
		if got := ask(t, s, issue(t, s, "valid")).took; got != 1100*time.Millisecond {
			t.Errorf("who comes after 2 s waits %v, want 1.1 s", got)
		}
	})
}

func TestRoundTrip_LeavesNothingBehindWhenTheCallerGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a goroutine left blocked fails the bubble
		s := simulator.New(simulator.Config{Latency: time.Hour})
		for _, kind := range []simulator.Kind{simulator.Hang, simulator.Slow, simulator.None} {
			set(t, s, simulator.Fault{Kind: kind})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			got := send(s, request(ctx, "http://captcha.test", web, callFor(issue(t, s, "valid"))))
			if !errors.Is(got.err, context.Canceled) || got.took != time.Second {
				t.Errorf("%s: ended with %v after %v", kind, got.err, got.took)
			}
		}
		if st := s.Stats(); st.InFlight != 0 || st.Abandoned != 3 {
			t.Errorf("%d in flight, %d abandoned, want 0 and 3", st.InFlight, st.Abandoned)
		}
	})
}
