// Package policy decides every request: what the Captcha API says if it can
// be asked, and else what the business chose for the scene, within a budget.
//
// Nothing that a client says opens a pass here. A failure opens one only if
// its cause is not of the client's making and the budget has room.
package policy

import (
	"context"
	"log/slog"
	"maps"
	"slices"
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
	Found string        // by the check, in a word
	Cause captcha.Cause // under which the challenge was issued; "" if it was not ours
	Asked bool          // issued for this household by a decision of ours
}

// A Request is one question of a business backend about one user.
type Request struct {
	Scene     string
	Ticket    captcha.Ticket // with UserIP, unless the body was too long to be read
	Solution  *string        // of an alternate challenge, instead of a ticket
	Reference string         // the business's own

	// Shadow says that the decision has no effect: it spends no budget, and is counted
	// by whoever asks.
	Shadow bool

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
	holding  []byte // the key under which disaster tickets are named
	log      *slog.Logger
	metrics  *metrics

	rules atomic.Pointer[rules]
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
	// BudgetSpent, which may be nil, is told of each user who is refused because a scene's
	// budget as a whole has no room: its time is over, or its total empty. It must not
	// block.
	BudgetSpent func(scene, why string)
}

// New returns a Policy over verifier. The key names users in the budgets, see
// NewLimiter, and their disaster tickets.
func New(verifier captcha.Verifier, ports Ports, cfg Config, key []byte, log *slog.Logger, reg prometheus.Registerer) *Policy {
	p := &Policy{verifier: verifier, ports: ports, key: key, holding: subkey(key, "disaster tickets"), log: log, metrics: newMetrics(reg)}
	p.Reconfigure(cfg)
	reg.MustRegister(newLeft(p))
	return p
}

// Reconfigure replaces the rules. What was taken from a scene's budgets stays
// taken: loading a configuration again must not buy passes.
func (p *Policy) Reconfigure(cfg Config) {
	next := &rules{Config: cfg, scenes: map[string]*scene{}}
	var old map[string]*scene
	if rules := p.rules.Load(); rules != nil {
		old = rules.scenes
	}
	for name, c := range cfg.Scenes {
		next.scenes[name] = p.scene(name, c, old[name])
		p.metrics.seed(name, c)
	}
	p.rules.Store(next)
}

// scene returns a scene with its budgets, those of the old one if there was one.
func (p *Policy) scene(name string, c Scene, old *scene) *scene {
	s := &scene{Scene: c, name: name}
	solved := c.WithDefaults().ChallengeBudget
	if old == nil {
		s.allowed, s.solved, s.checks = NewLimiter(c.Budget, p.key), NewLimiter(solved, p.key), newChecks(solved, p.key)
		return s
	}
	s.allowed, s.solved, s.checks = old.allowed, old.solved, old.checks
	if old.Budget != c.Budget {
		s.allowed = s.allowed.with(c.Budget)
	}
	if old.ChallengeBudget != c.ChallengeBudget {
		s.solved, s.checks = s.solved.with(solved), newChecks(solved, p.key)
	}
	return s
}

// Scene returns a configured scene.
func (p *Policy) Scene(name string) (Scene, bool) {
	s, ok := p.rules.Load().scenes[name]
	if !ok {
		return Scene{}, false
	}
	return s.Scene, true
}

// Scenes are the names of all configured scenes, in order.
func (p *Policy) Scenes() []string { return slices.Sorted(maps.Keys(p.rules.Load().scenes)) }

// Observe notes which lasting causes hold, for the time limits of budgets. It is
// called when that changes and every now and then.
func (p *Policy) Observe() {
	for name, s := range p.rules.Load().scenes {
		standing := p.ports.Situation.Standing(name)
		for solved, budget := range map[bool]*Limiter{false: s.allowed, true: s.solved} {
			budget.Observe(standing)
			for _, under := range budget.begunAnew() {
				p.begun(s, solved, under)
			}
		}
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
	if !r.Shadow {
		p.metrics.decision(s.name, d, time.Since(start))
	}
	return d
}

// Repeat counts a decision that was given once more, to a repeated request.
func (p *Policy) Repeat(_ context.Context, scene string, d Decision) { p.metrics.decision(scene, d, 0) }

// ticket decides about a ticket.
func (p *Policy) ticket(ctx context.Context, s *scene, r Request) Decision {
	disaster := captcha.LooksDisaster(r.Ticket.Value)
	if disaster && r.Ticket.RandstrFits() {
		return p.disaster(ctx, s, r)
	}
	if disaster || !r.Ticket.WellFormed() {
		return rejectedUnasked("ticket or randstr is missing or has not the form of one")
	}
	if d, ok := p.refused(r.Ticket); ok {
		return d // whatever has happened to the API since
	}
	if p.ports.Situation.Forced(s.name, r.Ticket) == ForceDegraded {
		return p.degraded(ctx, s, r, fallback{cause: captcha.CauseForced, action: s.Degraded, why: p.forcedBy(s)})
	}
	if p.ports.Ledger.LetThrough(r.Ticket.Key()) {
		return rejectedUnasked("the ticket let somebody in before, while nobody could verify it")
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
