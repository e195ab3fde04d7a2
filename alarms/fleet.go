package alarms

import (
	"context"
	"time"
)

// A Fleet has one of several instances tell what all of them see. Its times are of its own
// clock.
type Fleet interface {
	// Told is what was told, by kind and then by what it was about.
	Told(ctx context.Context) (map[Kind]map[string]Told, error)
	// Claim reports whether this instance is the one to tell of a kind; it is for ClaimLife.
	Claim(ctx context.Context, k Kind) (mine bool, err error)
	// Tell has the others know what was told.
	Tell(ctx context.Context, k Kind, tells map[string]Told) error
	// Ahead is the fleet's clock less this host's.
	Ahead() time.Duration
}

// ClaimLife is longer than the longest pause between two tries and a try: whoever claimed a
// kind and does not go on with it for so long is dead, and another instance tells.
const ClaimLife = maxPause + 2*sendTimeout

// Told is what was told of something.
type Told struct {
	At   time.Time `json:"at"`   // when it happened
	Sent time.Time `json:"sent"` // when it was told
}

// aloneAfter is how old something is that is told although the others cannot be asked
// whether they did: twice is better than never.
const aloneAfter = 5 * time.Second

// shared is what the others told, as of now; nil for one instance.
type shared struct {
	alarms *Alarms
	told   map[Kind]map[string]Told
	err    error
}

// others asks what the others told, and leaves that to them.
func (a *Alarms) others(ctx context.Context) *shared {
	if a.fleet == nil {
		return nil
	}
	s := &shared{alarms: a}
	if s.told, s.err = a.fleet.Told(ctx); s.err == nil {
		s.leave()
	}
	return s
}

// last is when a kind was last told of, by this host's clock.
func (s *shared) last(k Kind) (last time.Time) {
	if s == nil {
		return last
	}
	for _, t := range s.told[k] {
		if at := t.Sent.Add(-s.alarms.fleet.Ahead()); at.After(last) {
			last = at
		}
	}
	return last
}

// mine reports whether this instance is to tell of a kind now.
func (s *shared) mine(ctx context.Context, k Kind) bool {
	if s == nil {
		return true
	}
	mine, err := false, s.err
	if err == nil {
		mine, err = s.alarms.fleet.Claim(ctx, k)
	}
	if err != nil {
		return s.alarms.age(k) >= aloneAfter
	}
	return mine
}

// age is how long the oldest of what waits of a kind has been there.
func (a *Alarms) age(k Kind) (age time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.messages[k]; m != nil {
		age = time.Since(m.At)
	}
	for t, e := range a.events {
		if t.kind == k {
			age = max(age, time.Since(e.first()))
		}
	}
	return age
}

// tell has the others know what a message told. Where that fails they tell it again.
func (s *shared) tell(ctx context.Context, m *message) {
	if s == nil {
		return
	}
	a, tells := s.alarms, map[string]Told{}
	ahead := a.fleet.Ahead()
	a.mu.Lock()
	for _, t := range m.Tells {
		at := t.At.Add(ahead)
		tells[t.About] = Told{At: at, Sent: time.Now().Add(ahead)}
		a.settled[topic{m.Kind, t.About}] = at
	}
	a.mu.Unlock()
	_ = a.fleet.Tell(ctx, m.Kind, tells)
}

// leave drops what others told.
func (s *shared) leave() {
	a := s.alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	for t, e := range a.events {
		if s.echoes(t, e.At) {
			delete(a.events, t)
			s.left(t, e.More+1, eventKey(t))
		}
	}
	for k, m := range a.messages {
		all := true
		for _, t := range m.Tells {
			all = all && s.echoes(topic{k, t.About}, t.At)
		}
		if all {
			delete(a.messages, k)
			for _, t := range m.Tells {
				s.left(topic{k, t.About}, 1, messageKey(k))
			}
		}
	}
}

func (s *shared) left(t topic, n int, key string) {
	a := s.alarms
	a.settled[t] = s.told[t.kind][t.about].At
	a.count(t.kind, resultElsewhere, n)
	a.changed(key)
}

// echoes reports whether what happened here at a time is what another instance told: it
// was told since this one saw something of it, not long before, and did not end between.
func (s *shared) echoes(t topic, at time.Time) bool {
	was, known := s.told[t.kind][t.about]
	at = at.Add(s.alarms.fleet.Ahead())
	if !known || !was.At.After(s.alarms.settled[t]) {
		return false
	}
	end, ended := s.told[ends[t.kind]][""]
	if ended && end.At.After(was.At) && at.After(end.At) {
		return false
	}
	return at.Sub(was.At) <= echoes[t.kind]
}
