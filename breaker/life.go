package breaker

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"captchagate/captcha"
)

// State is where the circuit stands.
type State int

// The states, with the numbers that the metric uses.
const (
	Closed     State = iota // everything is sent on
	HalfOpen                // nothing is sent on; a probe succeeded, more must
	Open                    // nothing is sent on
	Recovering              // a growing share of users is sent on
)

var stateNames = [...]string{"closed", "half_open", "open", "recovering"}

// String names the state as status and metrics do.
func (s State) String() string { return stateNames[s] }

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A stance is the state and what belongs to it; it is replaced, never changed.
type stance struct {
	state    State
	since    time.Time
	life     *life
	outage   time.Time     // when the circuit first opened; zero while closed
	ramp     time.Duration // length of the ramp while recovering
	healthy  int           // probes in a row while half open
	lies     int           // recoveries in a row that the first calls ended
	evidence string        // what led here
}

// A life is one closed circuit from its beginning until it opens. Recovery
// begins a new one, so that late results of the earlier fall away.
type life struct {
	circuit  *gobreaker.CircuitBreaker[captcha.Verdict]
	evidence *evidence
	canaries atomic.Int32 // calls of this life that ended
	sent     atomic.Bool  // calls of this life were sent

	verdict  atomic.Pointer[string] // why it opens, once that is certain
	opened   chan struct{}          // closed when the circuit has opened
	openOnce sync.Once
}

// never is longer than any process lives: gobreaker's own way out of open is
// put out of the way, because it moves only on a user's traffic.
const never = 100 * 365 * 24 * time.Hour

func (b *Breaker) newLife() *life {
	l := &life{
		evidence: newEvidence(b.cfg),
		opened:   make(chan struct{}),
	}
	l.circuit = gobreaker.NewCircuitBreaker[captcha.Verdict](gobreaker.Settings{
		Timeout:      never,
		ReadyToTrip:  func(gobreaker.Counts) bool { return b.ripe(l) },
		IsSuccessful: func(err error) bool { return err == nil },
		IsExcluded:   func(err error) bool { return err != nil && !isEvidence(err) },
	})
	return l
}

// onTrial reports whether l is a recovery whose first calls have not ended.
func (s *stance) onTrial(l *life) bool {
	return s.state == Recovering && s.life == l && l.canaries.Load() <= canaryCalls
}

// isOpen reports whether the life has ended.
func (l *life) isOpen() bool {
	select {
	case <-l.opened:
		return true
	default:
		return false
	}
}

// errTrip is the failure by which evidence other than a finished call is put
// to gobreaker.
var errTrip = errors.New("evidence enough")

// isEvidence reports whether a failed attempt speaks against the API.
func isEvidence(err error) bool {
	if errors.Is(err, errTrip) {
		return true
	}
	f, ok := err.(*captcha.Failure) //nolint:errorlint // the type that attempt returns, on the hot path
	return ok && f.Kind == captcha.Fault
}

// leastPrefixes is how many address prefixes must have met the fault before it
// is believed without a probe of our own.
const leastPrefixes = 3

// ripe is gobreaker's question after each failure, asked under its lock.
func (b *Breaker) ripe(l *life) bool {
	if l.verdict.Load() != nil {
		return true
	}
	return b.believe(l, l.evidence.judge(time.Now(), b.stance.Load().onTrial(l)))
}

// believe accepts a finding that came from enough places, and has the prober
// look into one that did not.
func (b *Breaker) believe(l *life, f finding) bool {
	if f.text == "" {
		return false
	}
	if f.prefixes >= leastPrefixes {
		text := fmt.Sprintf("%s, %d prefixes", f.text, f.prefixes)
		l.verdict.Store(&text)
		return true
	}
	select {
	case b.suspect <- f.text:
	default:
	}
	return false
}

// trip opens the circuit of l, on which the verdict was passed, without
// waiting for a call to finish.
func (b *Breaker) trip(l *life) {
	_, _ = l.circuit.Execute(func() (captcha.Verdict, error) { return captcha.Verdict{}, errTrip })
	b.afterTrip(l)
}

// afterTrip does once what follows when gobreaker has opened the circuit of l:
// it releases the calls that wait and tells the prober.
func (b *Breaker) afterTrip(l *life) {
	if l.verdict.Load() == nil || l.circuit.State() != gobreaker.StateOpen {
		return
	}
	l.openOnce.Do(func() {
		b.move(func(s *stance) (*stance, bool) {
			if s.life != l {
				return nil, false
			}
			return s.open(*l.verdict.Load()), true
		})
		close(l.opened)
		b.flight.release(l)
	})
}

// open is the stance that follows s when its circuit opens. An outage that goes
// on after a recovery keeps its age; where probes were answered and the first
// calls were not, they are trusted later and later.
func (s *stance) open(evidence string) *stance {
	now := time.Now()
	next := &stance{state: Open, since: now, life: s.life, outage: now, evidence: evidence}
	if s.state == Recovering {
		next.outage = s.outage
		if s.life.canaries.Load() <= canaryCalls {
			next.lies = s.lies + 1
		}
	}
	return next
}

// move replaces the stance by what next makes of it, and says so. A change
// that keeps the state is no transition.
func (b *Breaker) move(next func(*stance) (*stance, bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.stance.Load()
	s, ok := next(old)
	if !ok {
		return
	}
	b.stance.Store(s)
	b.look()
	if s.state == old.state {
		return
	}
	b.note(Transition{At: s.since, From: old.state, To: s.state, Evidence: s.evidence})
}

// look has the prober look again.
func (b *Breaker) look() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}
