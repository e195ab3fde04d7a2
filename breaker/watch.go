package breaker

import (
	"context"
	"fmt"
	"math"
	"time"
)

// leastStanding is the shortest silence that opens the circuit, whatever the
// usual latency: an API that pauses for 200 ms is not away.
const leastStanding = 250 * time.Millisecond

// watchLoop looks at the calls in flight every tickEvery, as long as there are
// any, and at the end of the ramp.
func (b *Breaker) watchLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.busy:
			b.watch(ctx)
		}
	}
}

func (b *Breaker) watch(ctx context.Context) {
	ticks := time.NewTicker(tickEvery)
	defer ticks.Stop()
	for b.flight.tick(time.Now()) > 0 {
		b.inspect(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// inspect opens the circuit on evidence that no finished call brings to
// gobreaker: calls that stand, and answers that are right but slow.
func (b *Breaker) inspect(now time.Time) {
	s := b.stance.Load()
	if s.state != Closed && s.state != Recovering {
		return
	}
	if b.believe(s.life, b.standing(s.life, now)) || b.believe(s.life, s.life.evidence.judge(now, s.onTrial(s.life))) {
		b.trip(s.life)
	}
}

// standing looks for many calls that wait for longer than recent latency
// explains while none comes back.
func (b *Breaker) standing(l *life, now time.Time) finding {
	silence, older, waiting, prefixes := b.flight.silence(l, now, leastStanding/5)
	if silence < leastStanding || older < b.cfg.MinRequests {
		return finding{}
	}
	limit, usual := b.cfg.SlowCall, "not known yet"
	if qs, ok := b.flight.quantiles(0.5, 0.99); ok {
		limit, usual = max(leastStanding, 3*qs[0]), fmt.Sprint(round(qs[0]))
		_, older, waiting, prefixes = b.flight.silence(l, now, max(leastStanding/5, 2*qs[0]))
	}
	if silence < limit || older < b.cfg.MinRequests {
		return finding{}
	}
	return finding{
		text:     fmt.Sprintf("%d of %d calls standing, none back for %v, median is %s", older, waiting, round(silence), usual),
		prefixes: prefixes,
	}
}

// chance is how far a share of n trials strays from p: 1.64 standard
// deviations, which one in twenty exceeds.
func chance(p float64, n int) float64 {
	return 1.64 * math.Sqrt(p*(1-p)/float64(n))
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
