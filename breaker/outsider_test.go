package breaker_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// C9: one ticket that the API chokes on is one ticket, from however many
// networks and however often, whether it stands or comes back late.
func TestBreaker_IsNotOpenedByOneTicketThatIsSlow(t *testing.T) {
	for name, row := range map[string]struct {
		poison answerer
		rate   int
	}{
		"it stands":           {hangs, 100},
		"it stands, ten-fold": {hangs, 500},
		"it comes back late":  {after(600*time.Millisecond, code(15)), 250},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				healthy := after(20*time.Millisecond, passes)
				w.becomes(func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
					if t.Value == user(0).Value {
						return row.poison(ctx, t)
					}
					return healthy(ctx, t)
				})
				w.others.Go(func() { w.traffic(30, 6*time.Second) })
				w.trafficOf(row.rate, 6*time.Second, func(n int) captcha.Ticket {
					t := user(0)
					t.UserIP = netip.AddrFrom4([4]byte{198, 51, byte(n % 4), 7})
					return t
				})
				w.others.Wait()
				if len(w.transitions()) > 0 {
					t.Errorf("transitions: %v", w.transitions())
				}
			})
		})
	}
}

// C6: a gateway at rest closes, also where the only call of its recovery came
// to nothing.
func TestBreaker_ClosesAfterACallThatSaidNothing(t *testing.T) {
	for name, call := range map[string]struct {
		answer answerer
		caller time.Duration
	}{
		"a fault":              {refuses(captcha.Fault), time.Minute},
		"a caller that left":   {hangs, 5 * time.Millisecond},
		"a throttled one":      {refuses(captcha.Throttled), time.Minute},
		"an answer about them": {passes, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(refuses(captcha.Fault))
				w.traffic(100, 12*time.Second)
				w.becomes(after(20*time.Millisecond, passes))
				w.awaits(breaker.Recovering, 3*time.Second)
				w.becomes(probesGet(after(20*time.Millisecond, code(21)), call.answer))
				ctx, hangUp := context.WithTimeout(w.t.Context(), call.caller)
				defer hangUp()
				time.Sleep(5 * time.Second)
				for i := range 10 { // until one is in the share
					if r := w.verify(ctx, user(2_000_000+i)); r.f == nil || r.f.Kind != captcha.Recovering {
						break
					}
				}
				w.becomes(after(20*time.Millisecond, passes))
				w.awaits(breaker.Closed, 30*time.Second)
			})
		})
	}
}

// C7: users whom the switch kept away come back little by little, also where
// the circuit went on to recovering meanwhile.
func TestBreaker_RampsWhoeverWasKeptAway(t *testing.T) {
	for name, arrange := range map[string]func(w *world){
		"while closed": func(*world) { time.Sleep(30 * time.Second) },
		"while recovering": func(w *world) {
			w.becomes(refuses(captcha.Fault))
			w.traffic(100, 20*time.Second)
			w.becomes(after(20*time.Millisecond, passes))
			w.awaits(breaker.Recovering, 3*time.Second)
			time.Sleep(9 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				arrange(w)
				w.b.Ramp(30 * time.Second)
				first := w.traffic(100, 200*time.Millisecond)
				if passed := first.count("passed"); passed == 0 || passed > len(first)/2 {
					t.Errorf("%d of the first %d", passed, len(first))
				}
				w.traffic(100, 1800*time.Millisecond)
				last := w.traffic(100, time.Second)
				if passed := last.count("passed"); passed != len(last) {
					t.Errorf("%d of %d at the end", passed, len(last))
				}
			})
		})
	}
}

// Probes that were answered and a circuit that opened again are a lie, and are
// believed later and later, but not where the API was back for a moment only.
func TestBreaker_DoesNotTakeAFalseDawnForALie(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Fault))
		w.traffic(100, 8*time.Second)
		for range 2 { // back, and away again before the first calls ended
			w.becomes(probesGet(after(20*time.Millisecond, code(21)), refuses(captcha.Fault)))
			w.awaits(breaker.Recovering, 3*time.Second)
			w.becomes(refuses(captcha.Fault))
			w.traffic(100, 5*time.Second)
		}
		w.becomes(after(20*time.Millisecond, passes))
		if took := w.awaits(breaker.Recovering, 5*time.Second); took > 1500*time.Millisecond {
			t.Errorf("recovering %v after the end", took)
		}
	})
}
