package watch_test

import (
	"testing"
	"time"

	"captchagate/watch"
)

// Who was let through while the first calls failed belongs to the outage that
// these were, and it began with them. What was chance does not.
func TestIncidents_CountWhatCameBeforeTheyWereNoticed(t *testing.T) {
	const fault, opened = "upstream_fault", "circuit_open"
	for _, row := range []struct {
		name   string
		before func(p *process)
		counts map[string]int64 // of the incident that begins then, decisions with fault
		began  time.Duration    // before it was noticed
	}{
		{"nothing", func(*process) {}, nil, 0},
		{"faults", func(p *process) {
			p.CountAnswer(watch.Answer{Decision: "allow", Cause: fault})
			time.Sleep(300 * time.Millisecond)
			p.CountAnswer(watch.Answer{Decision: "challenge", Cause: fault})
		}, map[string]int64{"allow": 1, "challenge": 1}, 300 * time.Millisecond},
		{"faults of few users", func(p *process) {
			for range 10 {
				p.CountAnswer(watch.Answer{Decision: "allow", Cause: fault})
				time.Sleep(9 * time.Minute)
			}
		}, map[string]int64{"allow": 10}, 90 * time.Minute},
		{"a fault long ago", func(p *process) {
			p.CountAnswer(watch.Answer{Decision: "allow", Cause: fault})
			time.Sleep(11 * time.Minute)
		}, nil, 0},
		{"faults between passes", func(p *process) {
			for range 10 {
				p.CountAnswer(watch.Answer{Decision: "allow", Cause: fault})
				p.CountAnswer(watch.Answer{Decision: "allow"})
				time.Sleep(time.Second)
			}
		}, map[string]int64{"allow": 10}, 0},
		{"chance, again and again", func(p *process) {
			for range 600 {
				p.CountAnswer(watch.Answer{Decision: "allow", Cause: fault})
				p.CountAnswer(watch.Answer{Decision: "allow"})
				time.Sleep(time.Second)
			}
		}, map[string]int64{"allow": 12}, 0},
		{"a fault and then only passes", func(p *process) {
			p.CountAnswer(watch.Answer{Decision: "allow", Cause: fault})
			p.CountAnswer(watch.Answer{Decision: "allow"})
			time.Sleep(21 * time.Second)
		}, nil, 0},
		{"what is no evidence", func(p *process) {
			for _, cause := range []string{"", "throttled", "overloaded", "forced", "disaster_ticket", "misconfigured", "budget_spent"} {
				p.CountAnswer(watch.Answer{Decision: "deny", Cause: cause})
			}
		}, nil, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			begun(t, func(t *testing.T, p *process, _ *shelf) {
				row.before(p)
				coming, noticed := p.Coming(), time.Now()
				p.Begin(watch.KindCircuit, "faults", noticed)
				p.CountAnswer(watch.Answer{Decision: "deny", Cause: opened})
				i := p.List(1)[0]
				if p.Current() != i.ID || len(row.counts) > 0 && i.ID != coming {
					t.Errorf("it is %s, goes on as %s, and was to be %s", i.ID, p.Current(), coming)
				}
				for _, decision := range []string{"allow", "challenge", "deny"} {
					if got := count(i, decision, fault); got != row.counts[decision] {
						t.Errorf("%s %d times before, want %d", decision, got, row.counts[decision])
					}
				}
				if count(i, "deny", opened) != 1 || len(i.Answers) != len(row.counts)+1 {
					t.Errorf("it has %v", i.Answers)
				}
				if before := noticed.Sub(i.Began); before != row.began || !i.Parts[0].Began.Equal(noticed) {
					t.Errorf("it began %v before it was noticed, want %v; its part %v", before, row.began, i.Parts[0])
				}
			})
		})
	}
}

// What failed in peace belongs to no outage of another kind.
func TestIncidents_OfAnotherKindHaveNothingBefore(t *testing.T) {
	begun(t, func(t *testing.T, p *process, _ *shelf) {
		p.CountAnswer(watch.Answer{Decision: "allow", Cause: "upstream_fault"})
		coming := p.Coming()
		p.Begin(watch.KindScript, "the script is away", time.Now())
		if i := p.List(1)[0]; len(i.Answers) != 0 || i.ID == coming {
			t.Errorf("it has %v, and the name of another", i.Answers)
		}
	})
}
