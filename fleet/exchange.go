package fleet

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"time"
)

// wait is how long until the next beat.
func (m *Member) wait(v View) time.Duration {
	for _, n := range v.News {
		if len(n.Entries) == MostNews {
			return 0 // there is more
		}
	}
	usual := beatEvery + time.Duration((mathrand.Float64()-0.5)*0.2*float64(beatEvery))
	if v.Wait < 0 || v.Due {
		return usual
	}
	return min(usual, v.Wait+mathrand.N(spread))
}

// exchange beats once and puts in force what that brings. wants asks for the lease.
func (m *Member) exchange(ctx context.Context, wants bool) (View, error) {
	m.beating.lock()
	defer m.beating.unlock()
	bounded, cancel := context.WithTimeout(ctx, m.bound)
	defer cancel()
	r := m.report(wants)
	began := time.Now()
	v, err := m.board.Beat(bounded, r)
	if err != nil {
		if ctx.Err() == nil { // else it was called off
			m.missed(err)
		}
		return View{Wait: -1}, err
	}
	m.ended = Ended{}
	m.arrived(r)
	m.heed(r, v, began)
	return v, nil
}

// report is what to say now. What a failed beat did not bring to the board is said
// again.
func (m *Member) report(wants bool) Report {
	h, about := m.instance.Health(), m.instance.About()
	m.mu.Lock()
	defer m.mu.Unlock()
	ill := h.Open && time.Since(m.born) >= m.rules.Window // who was here before, under another name, still counts until then
	r := Report{
		ID: m.id, About: about, Rules: m.rules,
		Voting: h.Voting || ill, Ill: ill, Closed: h.Closed, Epoch: m.followed.Epoch,
		Wants: wants, Ended: m.ended, Gen: m.view.Gen, Known: m.view.Circuit,
	}
	passed := time.Duration(0)
	if !m.heard.IsZero() {
		passed = time.Since(m.heard)
	}
	r.Known.Since += passed
	if r.Known.State != Closed {
		r.Known.Outage += passed
	}
	if m.register != nil {
		r.Switch, r.Void = m.register.Current(m.offset), m.void
		if on := m.view.Switch; m.heard.IsZero() || !r.Switch.Newer(on) {
			r.Switch.Body = nil // its times would be wrong, or the board has it
		}
	}
	for kind := range r.News {
		r.News[kind].Since = m.view.News[kind].Since
		for _, text := range m.news[kind].next(MostNews) {
			r.News[kind].Entries = append(r.News[kind].Entries, []byte(text))
		}
	}
	return r
}

// arrived notes that what a report brings is on the board.
func (m *Member) arrived(r Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.void = Register{}
	for kind := range r.News {
		m.news[kind].arrived(len(r.News[kind].Entries))
	}
}

// missed notes a beat that failed.
func (m *Member) missed(err error) {
	m.mu.Lock()
	was := m.up || m.heard.IsZero() && !m.complained
	m.up, m.complained = false, true
	m.mu.Unlock()
	if was {
		m.log.Warn("the fleet cannot be reached; this instance goes on by itself", "error", err)
	}
}

// heed puts in force what a beat with that report brought.
func (m *Member) heed(r Report, v View, began time.Time) {
	n := m.note(v, began)
	if n.back {
		m.log.Info("the fleet is reached", "alive", v.Alive, "circuit", v.Circuit.State.String())
	}
	if n.anew { // a switch that was thrown before, and whatever was lost, can be told now
		m.Wake()
	}
	if n.follows {
		m.instance.Follow(v.Circuit, why(v))
	}
	m.handOn(r, v, n.offset)
}

// A notice is what is new in a view.
type notice struct {
	anew    bool // it is the first of a board
	back    bool // it comes after some that failed
	follows bool // the circuit has changed
	offset  time.Duration
}

// note keeps a view.
func (m *Member) note(v View, began time.Time) (n notice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := m.heard.IsZero()
	n.anew, n.back = m.view.Gen != v.Gen, !m.up
	m.offset = m.clock.learn(v.Now, began, time.Now())
	n.offset = m.offset
	if !n.anew && m.view.Switch.Newer(v.Switch) { // it only ever becomes newer
		m.meddled = time.Now()
	}
	if n.anew {
		m.reborn = time.Now()
		for kind := range v.News {
			m.news[kind].again()
			if !first {
				v.News[kind].Since = 0 // read all of it again
			}
		}
	}
	m.view, m.up, m.heard = v, true, time.Now()
	if v.Circuit.Epoch >= m.followed.Epoch { // else the board has lost it, and learns it anew
		n.follows = v.Circuit.Epoch > m.followed.Epoch || changesWithin(m.followed.State, v.Circuit.State)
		m.followed = v.Circuit
	}
	return n
}

// handOn gives what a beat brought to those whom it is for.
func (m *Member) handOn(r Report, v View, offset time.Duration) {
	if m.register != nil && v.Switch.Newer(r.Switch) && !m.register.Adopt(v.Switch, offset) {
		m.refuse(v.Switch)
	}
	for kind, tail := range m.tails {
		if tail != nil && len(v.News[kind].Entries) > 0 {
			tail(v.News[kind].Entries, offset)
		}
	}
}

// refuse has the next beat clear the board of what no instance wrote, and write there what
// this one knows. That beat is made at once, unless somebody goes on writing.
func (m *Member) refuse(forged Register) {
	m.mu.Lock()
	again := time.Since(m.meddled) < beatEvery
	m.void, m.view.Switch, m.meddled = forged, Register{}, time.Now()
	m.mu.Unlock()
	if !again {
		m.Wake()
	}
}

// changesWithin reports whether a change of state within one epoch concerns the
// instances: a probe was answered, or one failed after that.
func changesWithin(was, is State) bool {
	return was == Open && is == HalfOpen || was == HalfOpen && is == Open
}

// why tells what the fleet has decided.
func why(v View) string {
	switch v.Circuit.State {
	case Open:
		if v.OpenOf == 0 {
			return "the fleet holds the API to be away"
		}
		return fmt.Sprintf("%d of %d instances hold the API to be away", v.OpenIll, v.OpenOf)
	case HalfOpen:
		return "a probe of the fleet was answered"
	case Recovering, Closed:
	}
	return "the probes of the fleet were answered"
}

// leave tells the others that the instance is no more.
func (m *Member) leave(ctx context.Context) {
	m.beating.lock()
	defer m.beating.unlock()
	if _, up := m.Status(); !up {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, m.bound)
	defer cancel()
	r := m.report(false)
	r.Leaves = true
	_, _ = m.board.Beat(ctx, r) // they notice anyway
}
