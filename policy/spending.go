package policy

import "time"

// Spending is what was taken from the budgets of a scene, as far as it outlives
// the process: the totals and the time limits. What single users took does not;
// the total bounds them.
type Spending struct {
	Allowed, Solved Taken
}

// Taken is what was taken from one budget, by the system's time.
type Taken struct {
	TotalFull time.Time           `json:",omitzero"` // when the total is full again
	Over      [lastings]time.Time `json:",omitzero"` // when the time of each lasting cause is over; zero: not begun
}

// Spendings returns what was taken from the scenes' budgets; those of which
// nothing was are left out. It returns the same until more is taken.
func (p *Policy) Spendings() map[string]Spending {
	all := map[string]Spending{}
	for name, s := range p.rules.Load().scenes {
		if spent := (Spending{s.allowed.spending(), s.solved.spending()}); spent != (Spending{}) {
			all[name] = spent
		}
	}
	return all
}

// Restore takes from the budgets what was taken from them in an earlier process.
// It must be called before anything else is. A scene that is not configured any
// more is left out.
func (p *Policy) Restore(spendings map[string]Spending) {
	for name, spent := range spendings {
		if s := p.rules.Load().scenes[name]; s != nil {
			s.allowed.restore(spent.Allowed)
			s.solved.restore(spent.Solved)
		}
	}
}

func (t *taken) spending() (s Taken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.TotalFull = t.clock.time(t.totalFull)
	for under := range t.timeLimit.clocks {
		s.Over[under] = t.clock.time(t.timeLimit.clocks[under].deadline)
	}
	return s
}

// restore never takes more than the budget has now: it may be another one.
func (l *Limiter) restore(s Taken) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	if l.total.limits() {
		l.totalFull = min(l.clock.ticks(s.TotalFull), now+l.total.burst)
	}
	for under := range s.Over {
		if l.timeLimit.ticks > 0 {
			l.timeLimit.clocks[under].deadline = min(l.clock.ticks(s.Over[under]), now+l.timeLimit.ticks)
		}
	}
}
