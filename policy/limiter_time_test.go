package policy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"captchagate/policy"
)

// An incident's passes end after Budget.For, and come back after as long a
// time of normal mode. A step is what happens, and whether the next is let in.
func TestLimiter_EndsAndRefills(t *testing.T) {
	type step struct {
		wait time.Duration
		mode string // "degraded", "normal" or, for no change, ""
		lets bool
	}
	const limit = 15 * time.Minute
	for name, steps := range map[string][]step{
		"the limit counts from the first passing": {
			{0, "degraded", true}, {limit - 1, "", true}, {1, "", false}, {24 * time.Hour, "", false},
		},
		"it refills after as long a peace": {
			{0, "degraded", true}, {limit, "", false}, {0, "normal", false}, {limit - 1, "", false}, {1, "", true},
		},
		"a shorter peace refills nothing, and two do not add up": {
			{0, "degraded", true}, {limit, "", false},
			{0, "normal", false}, {limit - 1, "degraded", false},
			{0, "normal", false}, {limit - 1, "degraded", false}, {time.Hour, "", false},
		},
		"a peace that nobody saw refills": {
			{0, "degraded", true}, {limit, "normal", false}, {limit, "degraded", true}, {limit - 1, "", true}, {1, "", false},
		},
		"an interruption does not begin anew": {
			{0, "degraded", true}, {5 * time.Minute, "normal", true}, {5 * time.Minute, "degraded", true}, {5 * time.Minute, "", false},
		},
		"being told twice changes nothing": {
			{0, "degraded", true}, {limit, "normal", false}, {limit - 1, "normal", false}, {1, "normal", true}, {0, "degraded", true}, {limit - 1, "degraded", true}, {1, "degraded", false},
		},
		"passings in peace begin no incident": {
			{0, "normal", true}, {limit, "", true}, {10 * time.Minute, "", true}, {10 * time.Minute, "", true},
			{time.Minute, "degraded", true}, {limit - 1, "", true}, {1, "", false},
		},
		"a brief incident leaves peace as it was": {
			{0, "normal", true}, {limit, "", true}, {time.Hour, "degraded", true}, {time.Second, "normal", true}, {time.Minute, "", true},
		},
		"a limiter that nobody tells the mode runs out for good": {
			{0, "", true}, {limit - 1, "", true}, {1, "", false}, {24 * time.Hour, "", false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policy.NewLimiter(policy.Budget{Total: per(1000, time.Second), For: limit}, nil)
				for i, s := range steps {
					time.Sleep(s.wait)
					if s.mode != "" {
						p.Observe(s.mode == "degraded")
					}
					if got := p.Take(visitor(i), ""); got != s.lets {
						t.Fatalf("step %d (%v later, %s): let in %v, want %v", i+1, s.wait, s.mode, got, s.lets)
					}
				}
			})
		})
	}
}

// The outage's minutes before anybody was let through do not count.
func TestLimiter_CountsFromTheFirstPassing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewLimiter(policy.Budget{Total: per(1, time.Second), For: time.Minute}, nil)
		p.Observe(true)
		time.Sleep(time.Hour)
		for at, want := range []bool{true, true, false} {
			if got := p.Take(visitor(1), ""); got != want {
				t.Errorf("%d half minutes after the first: let in %v, want %v", at, got, want)
			}
			time.Sleep(30 * time.Second)
		}
	})
}

// Without a limit of time there is no end.
func TestLimiter_GoesOnWithoutATimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewLimiter(policy.Budget{Total: per(1, time.Second)}, nil)
		p.Observe(true)
		for range 100 {
			if !p.Take(visitor(1), "") {
				t.Fatal("refused")
			}
			time.Sleep(time.Hour)
		}
	})
}

// The first instant of a limiter is a time like any other: who observes at it
// that all is well need not observe it again.
func TestLimiter_CanBeObservedAtItsFirstInstant(t *testing.T) {
	cfg := policy.Budget{Total: per(1000, time.Second), For: time.Minute}
	ip := visitor(1)
	synctest.Test(t, func(t *testing.T) {
		l := policy.NewLimiter(cfg, nil)
		l.Take(ip, "") // begins the time limit
		l.Observe(false)
		time.Sleep(time.Minute / 2)
		l.Observe(false) // says nothing new
		time.Sleep(time.Minute / 2)
		if !l.Take(ip, "") {
			t.Error("refused after all was well for as long as the time limit")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l := policy.NewLimiter(cfg, nil)
		l.Observe(false)
		l.Take(ip, "") // while all is well: begins nothing
		time.Sleep(time.Minute / 2)
		l.Observe(true)
		time.Sleep(time.Minute / 2)
		if !l.Take(ip, "") {
			t.Error("what was taken while all was well began the time limit")
		}
	})
}

// A rate that cannot be lets nobody through, rather than everybody.
func TestLimiter_RefusesAllUnderARateThatCannotBe(t *testing.T) {
	for _, r := range []policy.Rate{{N: 0, Per: time.Second}, {N: -1, Per: time.Second}, {N: 5, Per: 0}, {N: 5, Per: -1}} {
		for name, cfg := range map[string]policy.Budget{"address": {PerIP: r}, "subject": {PerSubject: r}, "total": {Total: r}} {
			if policy.NewLimiter(cfg, nil).Take(visitor(1), "alice") {
				t.Errorf("%s: %+v lets somebody through", name, r)
			}
		}
	}
}
