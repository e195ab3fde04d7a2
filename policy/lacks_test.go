package policy_test

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/policy"
)

// budget_spent does not say which part of the budget is spent: the decision's line does,
// by the configuration's numbers.
func TestPolicy_SaysWhichBudgetIsSpent(t *testing.T) {
	minute := func(n int) policy.Rate { return policy.Rate{N: n, Per: time.Minute} }
	for _, row := range []struct {
		name   string
		budget policy.Budget
		from   func(n int) (netip.Addr, string) // whose the n-th ticket is
		before int                              // passes that are given
		want   string
	}{
		{"an address", policy.Budget{PerIP: minute(2), Total: minute(100), For: time.Hour}, func(int) (netip.Addr, string) { return alice, "" }, 2, "budget: per_ip 2/m"},
		{"a network", policy.Budget{PerIP: minute(1), Total: minute(100), For: time.Hour}, func(n int) (netip.Addr, string) { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), "" }, 16, "budget: per_ip of its network (16 × 1/m)"},
		{"a subject", policy.Budget{PerSubject: minute(3), Total: minute(100), For: time.Hour}, func(n int) (netip.Addr, string) { return netip.AddrFrom4([4]byte{192, 0, byte(n), 1}), "alice" }, 3, "budget: per_subject 3/m"},
		{"the total", policy.Budget{Total: minute(5), For: time.Hour}, func(int) (netip.Addr, string) { return alice, "" }, 5, "budget: total 5/m"},
		{"two at once", policy.Budget{PerIP: minute(1), Total: minute(1), For: time.Hour}, func(int) (netip.Addr, string) { return alice, "" }, 1, "budget: per_ip 1/m, total 1/m"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(policy.Scene{Degraded: policy.Allow, Budget: row.budget})
				w.fails = captcha.CircuitOpen
				p := w.policy()
				ask := func(n int) policy.Decision {
					r := ticket(n)
					r.Ticket.UserIP, r.Ticket.Subject = row.from(n)
					return p.Decide(t.Context(), r)
				}
				for n := range row.before {
					if d := ask(n); d.Action != policy.Allow || d.Why != "" {
						t.Fatalf("pass %d: %s, why %q", n, words(d), d.Why)
					}
				}
				if d := ask(row.before); d.Cause != captcha.CauseBudgetSpent || d.Why != row.want {
					t.Errorf("%s, why %q, want %q", words(d), d.Why, row.want)
				}
			})
		})
	}
}

// That a scene's time has run out is told once, with what it does now; status says it,
// and until when it has been. It is told too when the time begins anew.
func TestPolicy_TellsThatASceneHasNoMoreTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		w := newWorld(policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 100, Per: time.Second}, For: 15 * time.Minute}})
		w.fails, w.log, w.standing = captcha.CircuitOpen, slog.New(slog.NewTextHandler(&log, nil)), in(policy.LastingCircuit)
		p := w.policy()
		p.Observe()
		if times := p.Times(); times != nil {
			t.Errorf("before anybody came: %v", times)
		}
		n := 0
		ask := func() policy.Decision {
			p.Observe()
			n++
			return p.Decide(context.Background(), ticket(n))
		}
		began := time.Now()
		ask()
		want := policy.Time{Scene: theScene, Under: policy.LastingCircuit, For: "15m", Ends: began.Add(15 * time.Minute).Round(0), Then: policy.Challenge, Total: policy.Rate{N: 100, Per: time.Second}, Left: 99}
		if times := p.Times(); len(times) != 1 || times[0] != want {
			t.Errorf("the times are %v, want %v", times, want)
		}
		time.Sleep(15 * time.Minute)
		if log.Len() > 0 {
			t.Errorf("nobody was refused, and the log says %s", log.String())
		}
		for range 3 {
			if d := ask(); words(d) != "challenge challenge_required degraded budget_spent<circuit_open" || d.Why != "budget: for: 15m is over" {
				t.Errorf("%s, why %q", words(d), d.Why)
			}
		}
		const ended = `level=WARN msg="scene scene lets nobody through unverified any more: its 15m are over; now challenge"`
		if strings.Count(log.String(), ended) != 1 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("the log is\n%s", log.String())
		}
		want.Left = 100 // it came back
		if times := p.Times(); len(times) != 1 || times[0] != want {
			t.Errorf("the times are %v, want %v", times, want)
		}
		w.standing = in()
		p.Observe()
		time.Sleep(15 * time.Minute)
		p.Observe()
		if times := p.Times(); strings.Count(log.String(), "level=INFO msg=\"scene scene lets through unverified again") != 1 || times != nil {
			t.Errorf("once it begins anew the times are %v, and the log\n%s", times, log.String())
		}
		w.standing = in(policy.LastingCircuit)
		if d := ask(); d.Action != policy.Allow {
			t.Errorf("in the next outage: %s", words(d))
		}
	})
}

// What is no matter of the budget is not called one.
func TestPolicy_SaysWhatIsNoMatterOfTheBudget(t *testing.T) {
	for outcome, want := range map[policy.Outcome]string{
		policy.Refuted: "bad ticket", policy.Apart: "this instance's part", policy.Unsettled: "what the fleet shares was lost", policy.Unknown: "the store takes no writes",
	} {
		w := newWorld(policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 100, Per: time.Second}, For: time.Minute}})
		w.fails, w.elsewhere = captcha.CircuitOpen, func(policy.Pass) policy.Outcome { return outcome }
		if d := w.policy().Decide(t.Context(), ticket(1)); d.Cause != captcha.CauseBudgetSpent || !strings.Contains(d.Why, want) {
			t.Errorf("%d: %s, why %q", outcome, words(d), d.Why)
		}
	}
}
