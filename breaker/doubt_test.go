package breaker_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// C2: in a hang, and where answers become slow, answers are fast again within 1.2 s
// of the first call that stands, however few calls there are, and who waits is
// released; where many hang within 0.3 s. Faults that come fast keep nobody waiting.
func TestBreaker_IsQuickAtAnyTraffic(t *testing.T) {
	for name, trouble := range map[string]answerer{
		"hang":        hangs,
		"slow":        after(1500*time.Millisecond, passes),
		"just slow":   after(600*time.Millisecond, passes),
		"barely slow": after(510*time.Millisecond, passes),
		"fast faults": after(5*time.Millisecond, refuses(captcha.Fault)),
	} {
		for _, rate := range []int{1, 2, 5, 20, 50, 200, 500} {
			t.Run(fmt.Sprintf("%s, %d a second", name, rate), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.traffic(rate, min(20*time.Second, 2000*time.Second/time.Duration(rate)))
					w.becomes(trouble)
					began := time.Now()
					rs := w.traffic(rate, max(5*time.Second, 12*time.Second/time.Duration(rate))) // ten tickets, at least
					fast, longest := time.Duration(0), time.Duration(0)
					for _, r := range rs {
						if longest = max(longest, r.took); r.took > 100*time.Millisecond && name != "fast faults" {
							fast = max(fast, r.at.Add(r.took).Sub(began))
						}
					}
					s := w.b.Status()
					t.Logf("fast again after %v, longest wait %v, open after %v: %s", fast, longest, s.Since.Sub(began), s.Evidence)
					most := 1200 * time.Millisecond
					if name == "hang" && rate >= 200 {
						most = 300 * time.Millisecond
					}
					if fast > most || longest > most || s.State != breaker.Open {
						t.Errorf("fast again after %v, longest wait %v; circuit is %v", fast, longest, s.State)
					}
				})
			})
		}
	}
}

// C2, C13, C18: what is no outage opens nothing, at any rate: one slow ticket, an
// API that pauses, one whose answers vary, a connection that takes its time.
func TestBreaker_DoubtsInVain(t *testing.T) {
	slowTicket := func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		if strings.HasSuffix(t.Value, "7") && !captcha.LooksDisaster(t.Value) {
			return hangs(ctx, t)
		}
		return after(20*time.Millisecond, passes)(ctx, t)
	}
	pause := func(d time.Duration) func(*world) {
		return func(w *world) {
			until := time.Now().Add(2*time.Second + d)
			w.becomes(func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
				if wait := time.Until(until); wait < d {
					return after(max(wait, 0)+20*time.Millisecond, passes)(ctx, t)
				}
				return after(20*time.Millisecond, passes)(ctx, t)
			})
		}
	}
	for name, arrange := range map[string]func(w *world){
		"one ticket in ten stands": func(w *world) { w.becomes(slowTicket) },
		"a pause of 200 ms":        pause(200 * time.Millisecond),
		"a pause of 450 ms":        pause(450 * time.Millisecond),
		"one in ten takes 450 ms": func(w *world) {
			w.becomes(share(0.1, after(450*time.Millisecond, passes), after(20*time.Millisecond, passes)))
		},
		"all take 480 ms": func(w *world) { w.becomes(after(480*time.Millisecond, passes)) },
		"connecting takes 900 ms": func(w *world) {
			w.mu.Lock()
			w.wired = func(context.Context) { time.Sleep(900 * time.Millisecond) }
			w.mu.Unlock()
		},
	} {
		for _, rate := range []int{1, 5, 20} {
			t.Run(fmt.Sprintf("%s, %d a second", name, rate), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.traffic(rate, 20*time.Second)
					arrange(w)
					w.traffic(rate, 20*time.Second)
					if seen := w.transitions(); len(seen) > 0 {
						t.Errorf("transitions %v", seen)
					}
				})
			})
		}
	}
}

// C13: a process that was stopped just while a probe of its own was out draws no
// conclusion from it.
func TestBreaker_BlamesNoProbeForItsOwnStandstill(t *testing.T) {
	for stopped, want := range map[bool]breaker.State{false: breaker.Open, true: breaker.Closed} {
		synctest.Test(t, func(t *testing.T) {
			cfg, limits := defaults()
			limits.MaxAttempts, limits.AttemptTimeout = 1, 1900*time.Millisecond
			w := newWorld(t, cfg, limits, nil)
			ctx, cancel := context.WithCancel(t.Context())
			w.others.Go(func() { w.b.Probe(ctx) })
			w.becomes(hangs)
			w.others.Go(func() { w.verify(ctx, user(1)) })
			synctest.Wait()
			w.ticks(600 * time.Millisecond) // slow_call, the usual latency being unknown
			if stopped {
				time.Sleep(time.Second)
				w.b.Tick()
			} else {
				w.ticks(time.Second)
			}
			if s := w.b.State(); s != want {
				t.Errorf("stopped %v: circuit is %v, want %v; %v", stopped, s, want, w.transitions())
			}
			cancel()
			w.others.Wait()
		})
	}
}

// chokes meets tickets of one form with a fault, and passes all others.
func chokes(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	if t.Value[0] == 'f' {
		return refuses(captcha.Fault)(ctx, t)
	}
	return passes(ctx, t)
}

// C9: a form of ticket that the API chokes on opens nothing, from however many
// networks, and good users are verified beside it.
func TestBreaker_IsNotOpenedByAFormThatChokes(t *testing.T) {
	networks := func(n int) captcha.Ticket {
		t := forgery(n)
		t.UserIP = netip.AddrFrom4([4]byte{198, 51, byte(n % 5), 7})
		return t
	}
	for _, rate := range []int{20, 100} {
		t.Run(fmt.Sprintf("%d a second", rate), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(after(20*time.Millisecond, chokes))
				w.traffic(10, 5*time.Second)
				start := time.Now()
				w.others.Go(func() { w.trafficOf(rate, 30*time.Second, networks) })
				rs := w.traffic(10, 30*time.Second)
				w.others.Wait()
				if verified := ratioOf(rs, "passed"); verified < 0.95 || len(w.transitions()) > 0 {
					t.Errorf("%.0f %% of good users verified; transitions %v", 100*verified, w.transitions())
				}
				if _, probes := w.reached(start); probes > 31 {
					t.Errorf("%d probes in 30 s", probes)
				}
				time.Sleep(cfgWindow)
				if n := w.b.Status().Failures; n > 0 {
					t.Errorf("%d faults counted in the end", n)
				}
			})
		})
	}
}

// cfgWindow is the window of the defaults.
const cfgWindow = 20 * time.Second

// C1, C9: a probe that is answered while others pass takes the faults back.
func TestBreaker_TakesBackTheFaultsOfAForm(t *testing.T) {
	inWorld(t, func(w *world) {
		w.traffic(50, 5*time.Second)
		w.becomes(after(20*time.Millisecond, chokes))
		w.others.Go(func() { w.traffic(50, time.Second) })
		w.trafficOf(200, time.Second, forgery)
		w.others.Wait()
		if s := w.b.Status(); s.Failures > 150 || s.State != breaker.Closed {
			t.Errorf("%d of 200 faults stand after a healthy probe; circuit %v", s.Failures, s.State)
		}
	})
}

// C1, C14: where passes stop beyond chance, probes that are answered keep nothing
// closed; where they go on, only a probe that fails opens.
func TestBreaker_ToldApartByThePassesOfOthers(t *testing.T) {
	ill := refuses(captcha.Fault)
	var n atomic.Int64
	some := func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		if n.Add(7)%10 < 3 { // spreads the faults evenly
			return passes(ctx, t)
		}
		return ill(ctx, t)
	}
	for name, row := range map[string]struct {
		users, probes answerer
		rate          int
		within        time.Duration // 0: not at all
	}{
		"everybody fails, probes lie, 200 a second":      {ill, passes, 200, 250 * time.Millisecond},
		"everybody fails, probes lie, 100 a second":      {ill, passes, 100, 250 * time.Millisecond},
		"everybody fails, probes lie, 10 a second":       {ill, passes, 10, 1500 * time.Millisecond},
		"everybody hangs, probes lie, 200 a second":      {hangs, passes, 200, 2500 * time.Millisecond},
		"everybody hangs, probes lie, 5 a second":        {hangs, passes, 5, 5 * time.Second},
		"seven in ten fail, probes too, 100 a second":    {some, ill, 100, 1500 * time.Millisecond},
		"seven in ten fail, probes do not, 100 a second": {some, passes, 100, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.traffic(row.rate, 20*time.Second)
				w.becomes(probesGet(after(20*time.Millisecond, row.probes), row.users))
				began := time.Now()
				w.traffic(row.rate, 8*time.Second)
				seen := w.transitions()
				switch {
				case row.within == 0 && len(seen) > 0:
					t.Errorf("opened: %v", seen)
				case row.within > 0 && (len(seen) == 0 || seen[0].At.Sub(began) > row.within):
					t.Errorf("not open within %v: %v", row.within, seen)
				case row.within > 0:
					t.Logf("open after %v: %s", seen[0].At.Sub(began), seen[0].Evidence)
				}
			})
		})
	}
}

// C9: beside a form that chokes passes have not stopped where they become few, with the
// load, or come in bursts.
func TestBreaker_TakesFewPassesForPasses(t *testing.T) {
	for name, good := range map[string]func(w *world){
		"the load falls": func(w *world) {
			w.traffic(200, 10*time.Second)
			w.traffic(2, 3*time.Second)
			w.others.Go(func() { w.trafficOf(20, 5*time.Second, forms) })
			w.traffic(2, 5*time.Second)
		},
		"they come in bursts": func(w *world) {
			w.traffic(1, 10*time.Second)
			w.others.Go(func() { w.trafficOf(20, 9*time.Second, forms) })
			for range 3 {
				w.traffic(10, time.Second)
				time.Sleep(2 * time.Second)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(after(20*time.Millisecond, chokes))
				good(w)
				w.others.Wait()
				if seen := w.transitions(); len(seen) > 0 {
					t.Errorf("transitions %v", seen)
				}
			})
		})
	}
}
