package breaker_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"captchagate/breaker"
	"captchagate/captcha"
)

// limited throttles what goes beyond a token bucket of perSecond, a tenth of a
// second deep, and has the rest answered.
func limited(perSecond float64, accepted answerer) answerer {
	tokens, last := perSecond/10, time.Now()
	var mu sync.Mutex
	return func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		mu.Lock()
		now := time.Now()
		tokens = min(tokens+now.Sub(last).Seconds()*perSecond, perSecond/10)
		last = now
		ok := tokens >= 1
		if ok {
			tokens--
		}
		mu.Unlock()
		if !ok {
			return refuses(captcha.Throttled)(ctx, t)
		}
		return accepted(ctx, t)
	}
}

// crowd sends users a second for d, and beside them callers that hang up and
// forged tickets, and returns what the users got that came after the first second.
func (w *world) crowd(users, hangUps, forged int, d time.Duration) results {
	if hangUps > 0 {
		w.others.Go(func() { w.hangUps(hangUps, d) })
	}
	if forged > 0 {
		w.others.Go(func() { w.trafficOf(forged, d, forgery) })
	}
	rs := w.traffic(users, d)
	w.others.Wait()
	return rs[min(users, len(rs)):]
}

// hangUps sends callers a second that leave before any answer.
func (w *world) hangUps(rate int, d time.Duration) {
	for n := range int(d.Seconds() * float64(rate)) {
		ctx, hangUp := context.WithTimeout(w.t.Context(), 5*time.Millisecond)
		w.others.Go(func() {
			defer hangUp()
			w.verify(ctx, user(6_000_000+n))
		})
		time.Sleep(time.Second / time.Duration(rate))
	}
}

// forgery is a ticket that the API rejects.
func forgery(n int) captcha.Ticket {
	t := user(n)
	t.Value = fmt.Sprintf("forged%d", n)
	return t
}

// answersForged rejects forgeries, and passes the rest.
func answersForged(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	if t.Value[0] == 'f' {
		return code(captcha.CodeForged)(ctx, t)
	}
	return passes(ctx, t)
}

// C15: an API that takes 300 calls a second gives as many full verdicts, however
// much it is offered and whoever hangs up or forges beside, and is sent no more than
// the arithmetic says.
func TestBreaker_HoldsBackInProportion(t *testing.T) {
	long(t)
	const limit, lasts = 300.0, 11 * time.Second
	for _, load := range []float64{0.9, 1.02, 1.1, 1.5, 3} {
		for name, of := range map[string]struct {
			users, hangUps, forged float64
			late                   time.Duration // every answer, a throttled one too
		}{
			"users":              {1, 0, 0, 0},
			"hang-ups beside":    {0.7, 0.3, 0, 0},
			"forgeries beside":   {0.8, 0, 0.2, 0},
			"all kinds together": {0.6, 0.2, 0.2, 0},
			"late answers":       {1, 0, 0, 150 * time.Millisecond},
		} {
			t.Run(fmt.Sprintf("%v of the limit, %s", load, name), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.becomes(after(of.late, limited(limit, after(10*time.Millisecond, answersForged))))
					count := func(share float64) int { return int(math.Round(limit * load * share)) }
					start := time.Now()
					rs := w.crowd(count(of.users), count(of.hangUps), count(of.forged), lasts)
					verified, held := ratioOf(rs, "passed"), ratioOf(rs, "throttled")
					sent, _ := w.reached(start)
					most := mostSent(limit, load*limit, of.late, lasts)
					t.Logf("%.1f %% of users verified, %.1f %% throttled, %d calls sent, at most %.0f", 100*verified, 100*held, sent, most)
					if least := 0.95 * min(1, 1/load); verified < least {
						t.Errorf("%.1f %% of users verified, want %.1f %%", 100*verified, 100*least)
					}
					if load <= 1.02 && held > 0.05 {
						t.Errorf("%.1f %% held back at %v × the limit", 100*held, load)
					}
					if float64(sent) > most {
						t.Errorf("%d calls sent, want at most %.0f", sent, most)
					}
					if len(w.transitions()) > 0 {
						t.Errorf("transitions %v", w.transitions())
					}
				})
			})
		}
	}
}

// mostSent is how many calls an API that takes limit a second is sent at most in d,
// where load a second are wanted and a throttled answer takes that long.
//
// A look sends all, and each fifth call again, which is the retry budget, with the ten
// retries that it has saved. It begins with the first throttled answer, once the
// bucket of a tenth of a second is empty, lasts a second, and comes again 20 s later.
// Between looks 1.15 times what the API took is sent, and ten more a second whatever it
// took. What is not answered yet is held for taken: with answers that are late by
// a share u of the nine to ten tenths that are looked back on, s calls a second are sent
// where s = 1.15 × ((1-u) × limit + u × s). Chance decides about each call; it adds a
// hundredth, and five standard deviations.
func mostSent(limit, load float64, late, d time.Duration) float64 {
	all := 1.2 * load
	u := late.Seconds() / 0.9
	between := min(all, 1.15*(1-u)/(1-1.15*u)*limit+10)
	begins := d.Seconds()
	if load > limit {
		begins = min(begins, late.Seconds()+0.1*limit/(load-limit))
	}
	looks := min(math.Ceil((d.Seconds()-begins)/21), d.Seconds()-begins) // of a second each
	looking := begins + looks
	wanted, p := (d.Seconds()-looking)*all, between/all
	return 1.01*(10+looking*all+wanted*p) + 5*math.Sqrt(wanted*p*(1-p))
}

func ratioOf(rs results, kind string) float64 { return float64(rs.count(kind)) / float64(len(rs)) }

// C15: what is not too many calls holds nobody back: calls that ended otherwise,
// and a share that is throttled however little is sent.
func TestBreaker_HoldsNobodyBackForNothing(t *testing.T) {
	long(t)
	throttled := refuses(captcha.Throttled)
	healthy := after(20*time.Millisecond, passes)
	for name, row := range map[string]struct {
		answer         answerer
		users, hangUps int
		least          float64 // share of users verified
		most           float64 // share of users throttled
	}{
		"2 percent throttled beside hang-ups": {share(0.02, throttled, healthy), 20, 150, 0.99, 0.01},
		"2 percent beside 30 percent faults":  {share(0.02, throttled, share(0.3, refuses(captcha.Fault), healthy)), 200, 0, 0.8, 0.02},
		"2 percent beside rejections":         {share(0.02, throttled, share(0.5, code(captcha.CodeForged), healthy)), 200, 0, 0.47, 0.01},
		"a flat share of 10 percent":          {share(0.1, throttled, healthy), 200, 0, 0.97, 0.03},
		"a flat share of 20 percent":          {share(0.2, throttled, healthy), 200, 0, 0.9, 0.1},
		"a flat share of 20 percent of few":   {share(0.2, throttled, healthy), 20, 0, 0.9, 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(row.answer)
				rs := w.crowd(row.users, row.hangUps, 0, 25*time.Second) // a look, what follows from it, and all sent for 20 s
				verified, held := ratioOf(rs, "passed"), ratioOf(rs, "throttled")
				t.Logf("%.1f %% of users verified, %.1f %% throttled", 100*verified, 100*held)
				if verified < row.least || held > row.most {
					t.Errorf("%.1f %% of users verified, want %.0f %%; %.1f %% throttled, want at most %.0f %%", 100*verified, 100*row.least, 100*held, 100*row.most)
				}
			})
		})
	}
}

// C15: a limit of 200 a second is kept and used, whatever the load beyond it, from one
// look to the next and after that.
func TestBreaker_KeepsALimit(t *testing.T) {
	const limit, lasts = 200, 31 * time.Second
	for _, load := range []int{204, 260, 400} {
		t.Run(fmt.Sprint(load), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.becomes(limited(limit, after(20*time.Millisecond, passes)))
				start := time.Now()
				rs := w.crowd(load, 0, 0, lasts)
				sent, _ := w.reached(start)
				verified := float64(rs.count("passed")) / 30
				most := mostSent(limit, float64(load), 0, lasts)
				t.Logf("%.1f verified of %d a second, %d sent, at most %.0f", verified, load, sent, most)
				if verified < 0.95*limit || float64(sent) > most {
					t.Errorf("%.1f verified a second of a limit of 200; %d sent, want at most %.0f", verified, sent, most)
				}
			})
		})
	}
}

// C15: once the API throttles no more, every user is sent on within 3 s.
func TestBreaker_SendsAllOnceTheLimitIsLifted(t *testing.T) {
	for name, throttling := range map[string]answerer{
		"a limit":    nil,
		"everything": refuses(captcha.Throttled),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				if throttling == nil {
					throttling = limited(300, passes)
				}
				w.becomes(throttling)
				w.traffic(900, 10*time.Second)
				w.becomes(after(10*time.Millisecond, passes))
				w.traffic(900, 3*time.Second)
				if rs := w.traffic(900, 2*time.Second); rs.count("passed") != len(rs) {
					t.Errorf("%d of %d verified 3 s after the end", rs.count("passed"), len(rs))
				}
			})
		})
	}
}

// C15: a load that grows takes a smaller share of a limit, and one that falls a smaller
// number. Neither is a reason to send all.
func TestBreaker_KeepsALimitWhileTheLoadChanges(t *testing.T) {
	for name, before := range map[string]func(w *world){
		"it grows": func(w *world) { w.traffic(210, 3*time.Second) },
		"it falls and grows": func(w *world) {
			w.traffic(600, 3*time.Second)
			w.traffic(100, 2200*time.Millisecond) // the API throttles no more, and calls are held back yet
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				const limit = 200
				w.becomes(limited(limit, after(20*time.Millisecond, passes)))
				before(w)
				start := time.Now()
				rs := w.traffic(600, 10*time.Second)
				sent, _ := w.reached(start)
				if most := mostSent(limit, 600, 0, 10*time.Second); float64(sent) > most || float64(rs.count("passed")) < 0.95*limit*10 {
					t.Errorf("%d verified and %d sent in 10 s, want at most %.0f", rs.count("passed"), sent, most)
				}
			})
		})
	}
}

// C15: fewer than ten calls a second are never held back.
func TestBreaker_HoldsBackNoneOfFew(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(refuses(captcha.Throttled))
		for _, r := range w.traffic(8, 30*time.Second) {
			if r.f == nil || r.f.Attempts == 0 {
				t.Fatalf("held back after %v: %+v", r.at, r.f)
			}
		}
	})
}

// The API's limit that keeps users from a verdict is told: at its beginning with how many,
// every minute, and once nobody met it for a minute. A user whose second attempt was
// taken met no limit.
func TestBreaker_TellsThatTheAPIThrottles(t *testing.T) {
	inWorld(t, func(w *world) {
		w.becomes(share(0.02, refuses(captcha.Throttled), passes))
		if rs := w.traffic(10, 30*time.Second); rs.count("passed") != len(rs) || w.b.Status().Throttling != (breaker.Throttling{}) {
			t.Fatalf("%d of %d pass, and it says %+v", rs.count("passed"), len(rs), w.b.Status().Throttling)
		}
		w.becomes(refuses(captcha.Throttled))
		start := time.Now()
		rs := w.traffic(10, 70*time.Second)
		s := w.b.Status()
		if n := rs.count("throttled"); n != 700 || s.State != breaker.Closed || len(w.transitions()) != 0 {
			t.Fatalf("%d of %d are throttled, and the circuit is %v", n, len(rs), s.State)
		}
		if since := s.Throttling.Since.Sub(start); since < 0 || since > 2*time.Second || s.Throttling.Users < 590 || s.Throttling.Users > 600 || s.Throttling.Unverified != s.Throttling.Users {
			t.Errorf("%v after the beginning the status says %+v", since, s.Throttling)
		}
		if got, _ := w.toldThrottling(); len(got) != 1 || got[0].Unverified == 0 || got[0].Unverified > 20 || got[0].Unverified != got[0].Users {
			t.Errorf("of its beginning it tells %+v", got)
		}
		w.becomes(after(10*time.Millisecond, passes))
		w.traffic(10, 58*time.Second)
		if got, _ := w.toldThrottling(); len(got) != 1 || w.b.Status().Throttling.Since.IsZero() {
			t.Errorf("within a minute it tells %+v", got)
		}
		time.Sleep(5 * time.Second)
		if got, over := w.toldThrottling(); len(got) != 2 || !over || got[1].Users < 1200 || got[1].Unverified < 690 || w.b.Status().Throttling != (breaker.Throttling{}) {
			t.Errorf("of its end it tells %+v", got)
		}
		if began, ended := w.log.count("level=WARN msg=\"the Captcha API throttles us"), w.log.count("throttles us no more"); began != 3 || ended != 1 {
			t.Errorf("%d lines that it throttles, want one a minute; %d of its end", began, ended)
		}
		w.becomes(refuses(captcha.Throttled))
		w.traffic(10, 3*time.Second)
		if got, over := w.toldThrottling(); len(got) != 3 || over {
			t.Errorf("that it begins again is not told: %+v", got)
		}
	})
}
