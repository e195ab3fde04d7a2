package watch

import (
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"captchagate/captcha"
)

// An early is the beginning of an outage that nobody knows of yet: what users got
// because calls failed, while the circuit was still closed. If the circuit opens
// soon it was the incident's beginning, else it was chance.
type early struct {
	*tally      // its id will be the incident's
	began, last time.Time
	verified    atomic.Bool // the Captcha API verified somebody since it began
}

const (
	// earlyLone is how far faults may lie apart if nobody was verified between
	// them, as far as the breaker counts them for ones in a row.
	earlyLone = 10 * time.Minute
	// earlyMixed is how long it may last if somebody was.
	earlyMixed = 20 * time.Second
)

// CountsEarly reports whether an answer of a cause, given outside any incident, counts in
// the one that may come.
func CountsEarly(c captcha.Cause) bool {
	return c == captcha.CauseUpstreamFault || c == captcha.CauseCircuitOpen
}

// countEarly counts an answer that was given outside any incident.
func (is *Incidents) countEarly(a Answer) {
	c := captcha.Cause(a.Cause)
	if !CountsEarly(c) {
		if e := is.early.Load(); e != nil && c == captcha.NoCause && a.Decision == "allow" && !e.verified.Load() {
			e.verified.Store(true)
		}
		return
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	t := is.current.Load()
	if t == nil { // none began meanwhile
		t = is.beginning(time.Now()).tally
	}
	t.count(a)
}

// Coming is the id that the incident will have if the circuit opens soon because
// of what fails now; of the one that goes on, if one does. An id that no
// incident came to have is not found later.
func (is *Incidents) Coming() string {
	is.mu.Lock()
	defer is.mu.Unlock()
	if t := is.current.Load(); t != nil {
		return t.id
	}
	return is.beginning(time.Now()).id
}

// beginning is the one that goes on at a time, or a new one. The lock is held.
func (is *Incidents) beginning(now time.Time) *early {
	e := is.early.Load()
	if e == nil || now.Sub(e.last) > earlyLone || e.verified.Load() && now.Sub(e.began) > earlyMixed {
		e = &early{tally: newTally(uuid.Must(uuid.NewV7()).String()), began: now.UTC().Round(0)}
		is.early.Store(e)
	}
	e.last = now
	return e
}

// noticed takes the beginning of an incident of the circuit at a time: what was
// counted before, and since when. The lock is held.
func (is *Incidents) noticed(at time.Time) (t *tally, began time.Time) {
	e := is.early.Swap(nil)
	switch {
	case e == nil || at.Sub(e.last) > earlyLone || e.verified.Load() && at.Sub(e.last) > earlyMixed:
		return newTally(uuid.Must(uuid.NewV7()).String()), at
	case e.verified.Load() || e.began.After(at):
		return e.tally, at
	}
	return e.tally, e.began
}
