package policy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"captchagate/policy"
)

// in is how things stand with these lasting causes.
func in(causes ...policy.Lasting) (s policy.Standing) {
	for _, c := range causes {
		s[c] = true
	}
	return s
}

// S2: an outage's passes end after Budget.For, and come back once it was away for
// as long. A step is what happens, and whether the next is let in under it.
func TestLimiter_EndsAndRefills(t *testing.T) {
	type step struct {
		wait time.Duration
		what string // "outage", "peace" or, for no change, ""
		lets bool
	}
	const limit = 15 * time.Minute
	for name, steps := range map[string][]step{
		"the limit counts from the first pass": {
			{0, "outage", true}, {limit - 1, "", true}, {1, "", false}, {24 * time.Hour, "", false},
		},
		"it refills after as long a peace": {
			{0, "outage", true}, {limit, "", false}, {0, "peace", false}, {limit - 1, "", false}, {1, "", true},
		},
		"a shorter peace refills nothing, and two do not add up": {
			{0, "outage", true}, {limit, "", false},
			{0, "peace", false}, {limit - 1, "outage", false},
			{0, "peace", false}, {limit - 1, "outage", false}, {time.Hour, "", false},
		},
		"a peace that nobody saw refills": {
			{0, "outage", true}, {limit, "peace", false}, {limit, "outage", true}, {limit - 1, "", true}, {1, "", false},
		},
		"an interruption does not begin anew": {
			{0, "outage", true}, {5 * time.Minute, "peace", true}, {5 * time.Minute, "outage", true}, {5 * time.Minute, "", false},
		},
		"being told twice changes nothing": {
			{0, "outage", true}, {limit, "peace", false}, {limit - 1, "peace", false}, {1, "peace", true}, {0, "outage", true}, {limit - 1, "outage", true}, {1, "outage", false},
		},
		"a limiter that nobody tells runs out for good": {
			{0, "", true}, {limit - 1, "", true}, {1, "", false}, {24 * time.Hour, "", false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, under := range []policy.Lasting{policy.LastingCircuit, policy.LastingForced, policy.LastingDrill, policy.LastingScript} {
				synctest.Test(t, func(t *testing.T) {
					p := policy.NewLimiter(policy.Budget{Total: per(1000, time.Second), For: limit}, nil)
					for i, s := range steps {
						time.Sleep(s.wait)
						switch s.what {
						case "outage":
							p.Observe(in(under))
						case "peace":
							p.Observe(in())
						}
						if got := p.Take(under, visitor(i), ""); got != s.lets {
							t.Fatalf("cause %d, step %d (%v later, %s): let in %v, want %v", under, i+1, s.wait, s.what, got, s.lets)
						}
					}
				})
			}
		})
	}
}

// S2: no cause spends another's time, and passes under none have a time of their
// own, which begins anew as long after it ran out, whatever else goes on.
func TestLimiter_EachCauseHasItsOwnTime(t *testing.T) {
	const limit = 15 * time.Minute
	causes := []policy.Lasting{policy.NotLasting, policy.LastingCircuit, policy.LastingForced, policy.LastingDrill, policy.LastingScript}
	for _, spent := range causes {
		synctest.Test(t, func(t *testing.T) {
			p := policy.NewLimiter(policy.Budget{Total: per(1000, time.Second), For: limit}, nil)
			p.Observe(in(causes[1:]...))
			p.Take(spent, visitor(1), "")
			time.Sleep(limit)
			for _, under := range causes {
				if got := p.Take(under, visitor(2), ""); got != (under != spent) {
					t.Errorf("after cause %d ran out, cause %d lets in: %v", spent, under, got)
				}
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewLimiter(policy.Budget{Total: per(1000, time.Second), For: limit}, nil)
		p.Observe(in(policy.LastingCircuit))
		for round := range 3 {
			if !p.Take(policy.NotLasting, visitor(1), "") {
				t.Errorf("round %d: not let in at first", round)
			}
			time.Sleep(limit)
			if p.Take(policy.NotLasting, visitor(1), "") {
				t.Errorf("round %d: let in when its time was over", round)
			}
			time.Sleep(limit - 1)
			if p.Take(policy.NotLasting, visitor(1), "") {
				t.Errorf("round %d: let in before as long had passed again", round)
			}
			time.Sleep(1)
		}
	})
}

// The outage's minutes before anybody was let through do not count.
func TestLimiter_CountsFromTheFirstPassing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy.NewLimiter(policy.Budget{Total: per(1, time.Second), For: time.Minute}, nil)
		p.Observe(in(policy.LastingCircuit))
		time.Sleep(time.Hour)
		for at, want := range []bool{true, true, false} {
			if got := p.Take(policy.LastingCircuit, visitor(1), ""); got != want {
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
		p.Observe(in(policy.LastingCircuit))
		for range 100 {
			if !p.Take(policy.LastingCircuit, visitor(1), "") {
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
		l.Take(policy.LastingCircuit, ip, "") // begins the time limit
		l.Observe(in())
		time.Sleep(time.Minute / 2)
		l.Observe(in()) // says nothing new
		time.Sleep(time.Minute / 2)
		if !l.Take(policy.LastingCircuit, ip, "") {
			t.Error("refused after all was well for as long as the time limit")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l := policy.NewLimiter(cfg, nil)
		l.Observe(in())
		l.Take(policy.NotLasting, ip, "") // while all is well: begins no outage's time
		time.Sleep(time.Minute / 2)
		l.Observe(in(policy.LastingCircuit))
		time.Sleep(time.Minute / 2)
		if !l.Take(policy.LastingCircuit, ip, "") {
			t.Error("what was taken while all was well began the time limit")
		}
	})
}

// A rate that cannot be lets nobody through, rather than everybody.
func TestLimiter_RefusesAllUnderARateThatCannotBe(t *testing.T) {
	for _, r := range []policy.Rate{{N: 0, Per: time.Second}, {N: -1, Per: time.Second}, {N: 5, Per: 0}, {N: 5, Per: -1}} {
		for name, cfg := range map[string]policy.Budget{"address": {PerIP: r}, "subject": {PerSubject: r}, "total": {Total: r}} {
			if policy.NewLimiter(cfg, nil).Take(policy.LastingCircuit, visitor(1), "alice") {
				t.Errorf("%s: %+v lets somebody through", name, r)
			}
		}
	}
}
