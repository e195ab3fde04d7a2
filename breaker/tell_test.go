package breaker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// An outage is in the log, the metrics and the status as it happened.
func TestBreaker_TellsWhatHappened(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(100, time.Second)
		if s := w.b.Status(); s.Requests != 100 || s.P50 != 20*time.Millisecond || s.P99 != 20*time.Millisecond || !s.NextProbeAt.IsZero() || w.b.Share() != 1 {
			t.Errorf("at rest: %+v, share %v", s, w.b.Share())
		}
		w.becomes(refuses(captcha.Fault))
		w.traffic(100, 30*time.Second)
		s := w.b.Status()
		if wait := time.Until(s.NextProbeAt); s.State != breaker.Open || wait <= 0 || wait > 2*time.Second || w.b.Share() != 0 {
			t.Errorf("open: %+v, share %v", s, w.b.Share())
		}
		w.becomes(after(20*time.Millisecond, passes))
		w.awaits(breaker.Recovering, 3*time.Second)
		time.Sleep(5 * time.Second)
		if share := w.b.Share(); share < 0.5 || share > 0.55 {
			t.Errorf("share %v in the middle of the ramp", share)
		}
		w.awaits(breaker.Closed, 6*time.Second)
		if n := w.log.count("a call to the Captcha API failed"); n == 0 {
			t.Error("no failed call is in the log") // all of them are; the gateway folds what is alike
		}
		for line, want := range map[string]int{
			"level=WARN msg=\"circuit open\" from=closed":          1,
			"level=INFO msg=\"circuit half_open\" from=open":       1,
			"level=INFO msg=\"circuit recovering\" from=half_open": 1,
			"level=INFO msg=\"circuit closed\" from=recovering":    1,
		} {
			if n := w.log.count(line); n != want {
				t.Errorf("%d lines %s, want %d", n, line, want)
			}
		}
		if s := w.b.Status(); len(s.Transitions) != 4 || s.Transitions[0].To != breaker.Closed || s.Transitions[3].To != breaker.Open {
			t.Errorf("transitions, newest first: %v", s.Transitions)
		}
		users, probes := w.reached(time.Time{})
		attempts := w.metric("captchagate_upstream_attempts_total")
		if attempts["passed"] != 100 || attempts["fault"] != float64(users)-100 || len(attempts) != 7 {
			t.Errorf("%d calls of users: %v", users, attempts)
		}
		if n := w.metric("captchagate_upstream_attempt_seconds")[""]; n != float64(users) {
			t.Errorf("%v durations of %d calls", n, users)
		}
		seen := w.metric("captchagate_probes_total")
		if seen["healthy"] != 3 || seen["ill"] != float64(probes)-3 || len(seen) != 4 {
			t.Errorf("%d probes: %v", probes, seen)
		}
		if steps := w.metric("captchagate_breaker_transitions_total"); steps["closed open"] != 1 || steps["recovering closed"] != 1 || len(steps) != 8 {
			t.Errorf("steps %v", steps)
		}
		retries := w.metric("captchagate_retries_total")
		if retries["sent"] == 0 || retries["budget_spent"] == 0 {
			t.Errorf("retries %v", retries)
		}
	})
}

// metric returns the values of a family by their labels; of a histogram, how
// many values it saw.
func (w *world) metric(name string) map[string]float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[strings.Join(labels, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

// A refused account is told once, and in the metric as long as it lasts.
func TestBreaker_TellsOfARefusedAccount(t *testing.T) {
	inWorld(t, func(w *world) {
		mini := func(n int) captcha.Ticket {
			tk := user(n)
			tk.Mini = true
			return tk
		}
		w.becomes(func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
			if tk.Mini {
				return refuses(captcha.Misconfigured)(ctx, tk)
			}
			return after(10*time.Millisecond, passes)(ctx, tk)
		})
		rs := w.trafficOf(10, time.Second, mini)
		if others := w.traffic(10, time.Second); others.count("passed") != len(others) || rs.count("misconfigured") != len(rs) {
			t.Errorf("of mini programs %d of %d are refused, of pages %d of %d pass", rs.count("misconfigured"), len(rs), others.count("passed"), len(others))
		}
		time.Sleep(10 * time.Second)
		if refused := w.metric("captchagate_account_refused")[""]; refused != 1 || w.b.Share() != 0 || w.log.count("refuses the account") != 1 {
			t.Errorf("metric %v, share %v, %d lines", refused, w.b.Share(), w.log.count("refuses the account"))
		}
		w.becomes(after(10*time.Millisecond, passes))
		time.Sleep(2 * time.Second)
		if refused := w.metric("captchagate_account_refused")[""]; refused != 0 || w.b.Share() != 1 || w.log.count("accepts the account again") != 1 {
			t.Errorf("metric %v, share %v, %d lines", refused, w.b.Share(), w.log.count("accepts the account again"))
		}
	})
}

// An account that is refused with another code than before is news, at once, and still
// refused since the first.
func TestBreaker_TellsThatAnAccountIsRefusedWithAnotherCode(t *testing.T) {
	inWorld(t, func(w *world) {
		with := func(code string) answerer {
			return func(context.Context, captcha.Ticket) (captcha.Verdict, error) {
				return captcha.Verdict{}, &captcha.Failure{Kind: captcha.Misconfigured, Err: errors.New("says the test"), Code: code}
			}
		}
		w.becomes(with("AuthFailure.SignatureFailure"))
		w.traffic(10, time.Second)
		first := w.b.Status().Account
		w.becomes(with("UnauthorizedOperation.Unauthorized"))
		time.Sleep(2 * time.Second)
		then := w.b.Status().Account
		if then.Code != "UnauthorizedOperation.Unauthorized" || then.Since != first.Since || len(w.accounts()) != 2 || w.accounts()[1] != then {
			t.Errorf("first %+v, then %+v, told were %+v", first, then, w.accounts())
		}
		w.becomes(passes)
		time.Sleep(2 * time.Second)
		if told := w.accounts(); len(told) != 3 || told[2].State != breaker.AccountOK || w.log.count("refuses the account") != 2 {
			t.Errorf("told were %+v, in %d lines", told, w.log.count("refuses the account"))
		}
	})
}
