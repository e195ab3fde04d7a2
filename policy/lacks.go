package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// String is what operators call it, and what instances share its clock under.
func (l Lasting) String() string {
	return [...]string{NotLasting: "none", LastingCircuit: "circuit", LastingForced: "forced", LastingDrill: "drill", LastingScript: "script"}[l]
}

// lacks are the parts of a budget, in words of the configuration.
type lacks struct{ forTime, perIP, perNetwork, perSubject, total string }

func lacksOf(cfg Budget) lacks {
	return lacks{
		forTime:    "for: " + shortly(cfg.For) + " is over",
		perIP:      "per_ip " + cfg.PerIP.String(),
		perNetwork: fmt.Sprintf("per_ip of its network (%d × %s)", networkFactor, cfg.PerIP),
		perSubject: "per_subject " + cfg.PerSubject.String(),
		total:      "total " + cfg.Total.String(),
	}
}

// shortly writes 15m where Duration.String writes 15m0s.
func shortly(d time.Duration) string {
	return strings.Replace(strings.Replace(d.String(), "m0s", "m", 1), "h0m", "h", 1)
}

// Lacks says which parts of the budget have no room for a user who was just refused, in
// words of the configuration and by its numbers only: "per_ip 10/m", "for: 15m is over".
// It is "" if by now all have. It takes nothing. ended reports that the time of the cause
// is over, and that nobody was refused for that before.
func (l *Limiter) Lacks(under Lasting, ip netip.Addr, subject string) (parts string, ended bool) {
	charges, n := l.charges(ip, subject)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	if l.timeLimit.over(under, now) {
		ended, l.refusing[under] = !l.refusing[under], true
		return l.lacks.forTime, ended
	}
	return strings.Join(l.empty(charges[:n], now), ", "), false
}

// ofAll reports whether what Lacks said concerns all users.
func (l *Limiter) ofAll(parts string) bool {
	return parts == l.lacks.forTime || strings.HasSuffix(parts, l.lacks.total)
}

// empty are the buckets without a token. The lock is held.
func (l *Limiter) empty(cs []charge, now int64) (parts []string) {
	names := []string{l.lacks.perIP, l.lacks.perNetwork, l.lacks.perSubject}
	if !l.perIP.limits() {
		names = names[2:]
	}
	unknown := 0
	for i, c := range cs {
		full, known := l.buckets.get(c.name)
		if !known {
			unknown++
		}
		if _, ok := c.limit.take(full, now); !ok {
			parts = append(parts, names[i])
		}
	}
	if _, ok := l.total.take(l.totalFull, now); !ok {
		parts = append(parts, l.lacks.total)
	}
	if parts == nil && !l.buckets.fits(unknown) {
		parts = append(parts, "more users at once than can be remembered")
	}
	return parts
}

// begunAnew returns the causes whose time had ended, with somebody refused, and begins
// anew.
func (l *Limiter) begunAnew() (causes []Lasting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	for under := range l.refusing {
		if l.refusing[under] && !l.timeLimit.over(Lasting(under), now) {
			l.refusing[under] = false
			causes = append(causes, Lasting(under))
		}
	}
	return causes
}

// A Time is how long a scene's budget still lets through under a cause that goes on.
type Time struct {
	Scene  string
	Solved bool // it is the challenge budget's
	Under  Lasting
	For    string    // as the configuration says it, such as 15m
	Ends   time.Time // it may be over
	Then   Action    // what the scene does once it is over
	Total  Rate      // for all users; zero for none
	Left   int64     // of the total now, as far as this instance counts it
}

// Times lists the times that have begun, of causes that go on or for which somebody was
// refused, by scene.
func (p *Policy) Times() (all []Time) {
	for _, s := range p.rules.Load().scenes {
		standing := p.ports.Situation.Standing(s.name)
		all = append(all, s.allowed.times(Time{Scene: s.name, For: shortly(s.Budget.For), Then: s.OverAction(), Total: s.Budget.Total}, standing)...)
		solved := s.WithDefaults().ChallengeBudget
		all = append(all, s.solved.times(Time{Scene: s.name, For: shortly(solved.For), Then: s.OverAction(), Total: solved.Total, Solved: true}, standing)...)
	}
	slices.SortStableFunc(all, func(a, b Time) int { return strings.Compare(a.Scene, b.Scene) })
	return all
}

func (l *Limiter) times(of Time, standing Standing) (all []Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	if l.total.limits() {
		of.Left = max(l.total.burst-max(l.totalFull-now, 0), 0) / l.total.interval
	}
	for under := range l.timeLimit.clocks {
		l.timeLimit.renew(Lasting(under), now)
		ends := l.clock.shown(l.timeLimit.clocks[under].deadline)
		if (standing[under] || l.refusing[under]) && !ends.IsZero() {
			of.Under, of.Ends = Lasting(under), ends
			all = append(all, of)
		}
	}
	return all
}

// ranOut tells that the time of a scene's budget is over. What it stands for ends with
// begun.
func (p *Policy) ranOut(s *scene, solved bool, under Lasting) {
	p.log.Warn(fmt.Sprintf("scene %s %s any more: its %s are over; now %s", s.name, stops[solved], shortly(s.timed(solved)), s.OverAction()),
		"about", s.about(solved, under), "scene", s.name, "lasting_cause", under.String())
}

// begun tells that the time of a scene's budget begins anew.
func (p *Policy) begun(s *scene, solved bool, under Lasting) {
	p.log.Info(fmt.Sprintf("scene %s %s again: its %s begin anew", s.name, goesOn[solved], shortly(s.timed(solved))),
		"about", s.about(solved, under), "scene", s.name, "lasting_cause", under.String())
}

var (
	stops  = map[bool]string{false: "lets nobody through unverified", true: "takes no solved challenge"}
	goesOn = map[bool]string{false: "lets through unverified", true: "takes solved challenges"}
)

func (s *scene) about(solved bool, under Lasting) string {
	return fmt.Sprintf("%s of %s, %s", map[bool]string{false: "budget.for", true: "challenge_budget.for"}[solved], s.name, under)
}

// timed is the time that a budget has.
func (s *scene) timed(solved bool) time.Duration {
	if solved {
		return s.ChallengeBudget.For
	}
	return s.Budget.For
}

// why is why a pass was not given, for operators; it tells that a time has run out.
func (p *Policy) why(outcome Outcome, pass Pass, s *scene) string {
	if outcome != Over {
		return notGiven[outcome]
	}
	solved := pass.On == OnSolution
	parts, ended := pass.Budget.Lacks(pass.Under, pass.Ticket.UserIP, pass.Ticket.Subject)
	if ended {
		p.ranOut(s, solved, pass.Under)
	}
	if parts == "" {
		return "" // it has room again
	}
	if p.ports.BudgetSpent != nil && pass.Budget.ofAll(parts) {
		p.ports.BudgetSpent(s.name, parts)
	}
	return map[bool]string{false: "budget: ", true: "challenge_budget: "}[solved] + parts
}

// notGiven says of outcomes that are no matter of the budget why nobody is let through.
var notGiven = map[Outcome]string{
	Unknown:   storeAway,
	Refuted:   "somebody of this network or subject was let through with a bad ticket within 24 hours, and has no budget",
	Apart:     "this instance's part of the budget, while that of the fleet cannot be asked",
	Unsettled: "what the fleet shares was lost a moment ago: nobody is let through until all have told again whom they let in",
}
