// Package policy decides every request: what the Captcha API says if it can
// be asked, and else what the business chose for the scene, within a budget.
//
// Nothing that a client says opens a pass here. A failure opens one only if
// its cause is not of the client's making and the budget has room.
package policy

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
)

// A Force is what operators force on a user.
type Force int

// The forces. The zero value forces nothing.
const (
	ForceNone     Force = iota // the circuit decides
	ForceDegraded              // as if the Captcha API were down
	ForceNormal                // never let through or challenge instead of it
)

// A Situation is how things stand: the switch, the drills, the circuit.
type Situation interface {
	// Forced returns what is forced on the user of a ticket in the scene.
	Forced(scene string, of captcha.Ticket) Force
	// Degraded reports whether the scene is degraded now, and when it last was.
	Degraded(scene string) (now bool, last time.Time)
	// Standing says which lasting causes hold for the scene now.
	Standing(scene string) Standing
	// ScriptDown reports whether the page's script is known to be unreachable.
	ScriptDown() bool
}

// A Challenger issues and checks alternate challenges.
type Challenger interface {
	// Issue makes a challenge that costs factor times as much as usual, as a
	// value that becomes JSON.
	Issue(b Binding, factor int) any
	// Check says whether a solution is valid, and spends it if it looks. A
	// wrong one is charged to b.Checks. Cause is known if the challenge was
	// ours.
	Check(ctx context.Context, solution string, b Binding) Solution
}

// A Binding is what a challenge is issued for.
type Binding struct {
	Scene string
	User  captcha.Ticket // UserIP; none: any user of the scene
	Cause captcha.Cause

	Checks *Checks // that a wrong solution is charged to
}

// A Solution is what became of the check of a solution.
type Solution struct {
	Valid bool
	Cause captcha.Cause // under which the challenge was issued; "" if it was not ours
	Asked bool          // issued for this household by a decision of ours
}

// A Request is one question of a business backend about one user.
type Request struct {
	Scene     string
	Ticket    captcha.Ticket // with UserIP, unless the body was too long to be read
	Solution  *string        // of an alternate challenge, instead of a ticket
	Reference string         // the business's own

	id string // of the decision that it will get
}

// Config is what the policy decides by.
type Config struct {
	Scenes           map[string]Scene
	Disaster         DisasterTickets
	ChallengeExpires time.Duration
	// Apps are our app ids, each with a fingerprint of its key.
	Apps map[uint64][8]byte
}

// Policy decides. It is safe for concurrent use.
type Policy struct {
	ports    Ports
	verifier captcha.Verifier
	key      []byte
	log      *slog.Logger
	metrics  *metrics
	rules    atomic.Pointer[rules]
}

// rules are a Config with its budgets; they are replaced, never changed.
type rules struct {
	Config
	scenes map[string]*scene
}

// scene is a Scene with its budgets.
type scene struct {
	Scene
	name    string
	allowed *Limiter
	solved  *Limiter
	checks  *Checks // of solutions
}

// Ports are what the policy needs of others; all are required.
type Ports struct {
	Situation  Situation
	Challenger Challenger
	Ledger     Ledger
	Passes     Passes
	Refusals   Refusals
}

// New returns a Policy over verifier. The key names users in the budgets; see
// NewLimiter.
func New(verifier captcha.Verifier, ports Ports, cfg Config, key []byte, log *slog.Logger, reg prometheus.Registerer) *Policy {
	p := &Policy{verifier: verifier, ports: ports, key: key, log: log, metrics: newMetrics(reg)}
	p.Reconfigure(cfg)
	return p
}

// Reconfigure replaces the rules. A budget that stays the same keeps what was
// taken from it: loading a configuration again must not buy passes.
func (p *Policy) Reconfigure(cfg Config) {
	next := &rules{Config: cfg, scenes: map[string]*scene{}}
	old := p.rules.Load()
	for name, c := range cfg.Scenes {
		s := &scene{Scene: c, name: name}
		if old != nil && old.scenes[name] != nil && old.scenes[name].Budget == c.Budget {
			s.allowed = old.scenes[name].allowed
		} else {
			s.allowed = NewLimiter(c.Budget, p.key)
		}
		if old != nil && old.scenes[name] != nil && old.scenes[name].ChallengeBudget == c.ChallengeBudget {
			s.solved, s.checks = old.scenes[name].solved, old.scenes[name].checks
		} else {
			solved := c.WithDefaults().ChallengeBudget
			s.solved, s.checks = NewLimiter(solved, p.key), newChecks(solved, p.key)
		}
		next.scenes[name] = s
		p.metrics.seed(name, c)
	}
	p.rules.Store(next)
}

// Scene returns a configured scene.
func (p *Policy) Scene(name string) (Scene, bool) {
	s, ok := p.rules.Load().scenes[name]
	if !ok {
		return Scene{}, false
	}
	return s.Scene, true
}

// Observe notes which lasting causes hold, for the time limits of budgets. It is
// called when that changes and every now and then.
func (p *Policy) Observe() {
	for name, s := range p.rules.Load().scenes {
		standing := p.ports.Situation.Standing(name)
		s.allowed.Observe(standing)
		s.solved.Observe(standing)
	}
}

// Decide decides a request of a configured scene. It always does; a scene that
// was just taken out of the configuration denies while nobody can verify.
func (p *Policy) Decide(ctx context.Context, r Request) Decision {
	start := time.Now()
	s := p.rules.Load().scenes[r.Scene]
	if s == nil { // a reload took it away since the request was read
		s = &scene{Scene: Scene{Degraded: Deny}, name: r.Scene, checks: newChecks(Budget{}, p.key)}
	}
	r.id = uuid.Must(uuid.NewV7()).String()
	var d Decision
	if r.Solution != nil {
		d = p.solution(ctx, s, r)
	} else {
		d = p.ticket(ctx, s, r)
	}
	d.ID = r.id
	p.metrics.decision(s.name, d, time.Since(start))
	return d
}

// Repeat counts a decision that was given once more, to a repeated request.
func (p *Policy) Repeat(scene string, d Decision) { p.metrics.decision(scene, d, 0) }

// ticket decides about a ticket.
func (p *Policy) ticket(ctx context.Context, s *scene, r Request) Decision {
	disaster := captcha.LooksDisaster(r.Ticket.Value)
	if disaster && r.Ticket.RandstrFits() {
		return p.disaster(ctx, s, r)
	}
	if disaster || !r.Ticket.WellFormed() {
		return rejected(nil, 0)
	}
	if d, ok := p.refused(r.Ticket); ok {
		return d // whatever has happened to the API since
	}
	if p.ports.Situation.Forced(s.name, r.Ticket) == ForceDegraded {
		return p.degraded(ctx, s, r, fallback{cause: captcha.CauseForced, action: s.Degraded})
	}
	if p.ports.Ledger.LetThrough(r.Ticket.Key()) {
		return rejected(nil, 0) // it let somebody in while nobody could verify it
	}
	v, err := p.verifier.Verify(ctx, r.Ticket)
	if err != nil {
		f := captcha.AsFailure(err)
		if d, ok := p.refused(r.Ticket); ok { // by a call of another request, meanwhile
			d.Attempts = f.Attempts
			return d
		}
		return p.failed(ctx, s, r, f)
	}
	return p.verdict(r, v)
}

// verdict decides by what the Captcha API said. A pass stands, whatever was said
// of the ticket in other requests at the same time.
func (p *Policy) verdict(r Request, v captcha.Verdict) Decision {
	switch {
	case v.Outcome == captcha.Passed && p.ports.Ledger.Claim(r.Ticket.Key()):
		return Decision{Action: Allow, Reason: ReasonVerified, Assurance: AssuranceFull, Mode: ModeNormal, Answer: v.Answer, Attempts: v.Attempts}
	case v.Outcome == captcha.Passed:
		return rejected(v.Answer, v.Attempts)
	}
	p.refuse(r.Ticket, v)
	if v.Outcome == captcha.Malicious {
		return malicious(v.Answer, v.Attempts)
	}
	return rejected(v.Answer, v.Attempts)
}

func malicious(a *captcha.Answer, attempts int) Decision {
	return Decision{Action: Deny, Reason: ReasonMalicious, Assurance: AssuranceNone, Mode: ModeNormal, Answer: a, Attempts: attempts}
}

func rejected(a *captcha.Answer, attempts int) Decision {
	return Decision{Action: Deny, Reason: ReasonRejected, Assurance: AssuranceNone, Mode: ModeNormal, Answer: a, Attempts: attempts}
}
