package breaker_test

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// C6, C17: after an outage one of three instances stays ill, and calls meet it by
// turns, probes too.
func TestBreaker_ReturnsBesideOneIllInstanceOfThree(t *testing.T) {
	for name, ill := range map[string]answerer{"502": refuses(captcha.Fault), "hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.traffic(20, 5*time.Second)
				w.becomes(refuses(captcha.Fault))
				w.traffic(20, 10*time.Second)
				var n atomic.Int64
				w.becomes(func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
					if n.Add(1)%3 == 0 {
						return ill(ctx, tk)
					}
					return after(20*time.Millisecond, passes)(ctx, tk)
				})
				rs := w.traffic(20, 60*time.Second)
				t.Logf("%d of %d passed; state %v; %d transitions", rs.count("passed"), len(rs), w.b.State(), len(w.transitions()))
				if rs.count("passed") < len(rs)*2/3 {
					t.Errorf("%d of %d users verified where two of three instances are well: %v", rs.count("passed"), len(rs), w.transitions())
				}
			})
		})
	}
}

// C6, C17: of the probes that end an outage one may fail, wherever in their series:
// one of three instances is ill. Two say that more is.
func TestBreaker_OneProbeOfASeriesMayFail(t *testing.T) {
	for _, row := range []struct {
		name string
		ill  []bool // each probe from the first healthy one on
		want breaker.State
	}{
		{"the second", []bool{false, true, false, false}, breaker.Recovering},
		{"the third", []bool{false, false, true, false}, breaker.Recovering},
		{"two in a row", []bool{false, true, true}, breaker.Open},
		{"two with one between", []bool{false, true, false, true}, breaker.Open},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(refuses(captcha.Fault))
				w.traffic(20, 2*time.Second)
				var n atomic.Int64
				w.becomes(func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
					if i := int(n.Add(1)) - 1; i < len(row.ill) && row.ill[i] {
						return refuses(captcha.Fault)(ctx, tk)
					}
					return passes(ctx, tk)
				})
				for n.Load() < int64(len(row.ill)) {
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(10 * time.Millisecond)
				if got := w.b.State(); got != row.want {
					t.Errorf("%v after probes %v, want %v", got, row.ill, row.want)
				}
			})
		})
	}
}

// C7: what was usual by night is not for good the measure by day: an API that takes
// longer under load, and answers everybody, gets everybody.
func TestBreaker_EndsARampWhereLoadTakesLonger(t *testing.T) {
	long(t)
	for _, slow := range []time.Duration{90 * time.Millisecond, 130 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(slow.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.traffic(10, 10*time.Second) // at night
				w.becomes(refuses(captcha.Fault))
				w.traffic(10, 10*time.Second)
				var mu sync.Mutex
				var last []time.Time
				w.becomes(func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
					mu.Lock()
					now := time.Now()
					for len(last) > 0 && now.Sub(last[0]) > time.Second {
						last = last[1:]
					}
					last = append(last, now)
					load := min(float64(len(last))/100, 1)
					mu.Unlock()
					return after(20*time.Millisecond+time.Duration(load*float64(slow-20*time.Millisecond)), passes)(ctx, tk)
				})
				w.awaits(breaker.Recovering, 4*time.Second)
				rs := w.traffic(100, 90*time.Second)
				end := rs[70*100:]
				if sentOn(end) < len(end) || w.b.State() != breaker.Closed {
					t.Errorf("last 20 s: %d of %d sent on; circuit %v", sentOn(end), len(end), w.b.State())
				}
			})
		})
	}
}

func forms(n int) captcha.Ticket {
	t := forgery(n)
	t.UserIP = netip.AddrFrom4([4]byte{198, 51, byte(n % 5), byte(n / 5)})
	return t
}

// C9: after an outage somebody sends a form of ticket that the API chokes on, beside
// ten good users a second. What stands whatever the load is counts no strain.
func TestBreaker_ReturnsBesideAFormThatChokes(t *testing.T) {
	long(t)
	for name, row := range map[string]struct {
		choke answerer
		rate  int
		least float64 // share of good users verified in the second half
		lasts time.Duration
	}{
		"20 a second meet a fault": {refuses(captcha.Fault), 20, 0.95, 2 * time.Minute},
		"20 a second hang":         {hangs, 20, 0.95, 2 * time.Minute},
		"50 a second hang":         {hangs, 50, 0.9, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.traffic(10, 10*time.Second)
				w.becomes(refuses(captcha.Fault))
				w.traffic(10, 10*time.Second)
				w.becomes(after(20*time.Millisecond, func(ctx context.Context, tk captcha.Ticket) (captcha.Verdict, error) {
					if tk.Value[0] == 'f' {
						return row.choke(ctx, tk)
					}
					return passes(ctx, tk)
				}))
				w.others.Go(func() { w.trafficOf(row.rate, row.lasts, forms) })
				rs := w.traffic(10, row.lasts)
				s := w.b.State()
				w.others.Wait()
				late := rs[len(rs)/2:]
				t.Logf("%d of %d passed, in the second half %d of %d; %d transitions", rs.count("passed"), len(rs), late.count("passed"), len(late), len(w.transitions()))
				if ratioOf(late, "passed") < row.least {
					t.Errorf("circuit %v, %d of %d good users verified in the second half", s, late.count("passed"), len(late))
				}
			})
		})
	}
}

// C15: what was found while the API took nothing, or while few called, holds nobody
// back for good.
func TestBreaker_LooksAgainAtWhatAnAPITakes(t *testing.T) {
	long(t)
	throttled := refuses(captcha.Throttled)
	flat20 := share(0.2, throttled, after(20*time.Millisecond, passes))
	t.Run("everything for 4 s, then flat 20 percent", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.becomes(throttled)
			w.traffic(200, 4*time.Second)
			w.becomes(flat20)
			rs := w.traffic(200, 70*time.Second)
			last := rs[24*200:]
			if last.count("passed") < len(last)*85/100 {
				t.Errorf("from 24 s on: %d of %d verified, %d throttled", last.count("passed"), len(last), last.count("throttled"))
			}
		})
	})
	t.Run("flat 20 percent, load grows from 8 to 200", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.becomes(flat20)
			for r := 8; r < 200; r += r / 4 {
				w.traffic(r, 5*time.Second)
			}
			rs := w.traffic(200, 70*time.Second)
			last := rs[24*200:]
			if last.count("passed") < len(last)*85/100 {
				t.Errorf("from 24 s on: %d of %d verified, %d throttled", last.count("passed"), len(last), last.count("throttled"))
			}
		})
	})
}
