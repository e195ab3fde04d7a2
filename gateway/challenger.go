package gateway

import (
	"context"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/challenge"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/store"
)

// maxCheckWait is how long a solution waits for its turn to be checked.
const maxCheckWait = 2 * time.Second

// challenger is the alternate challenge in policy's words, counted, and dearer
// for networks that ask for many.
type challenger struct {
	inner   *challenge.Challenger
	kept    challenge.Key // signs if no secret is configured
	results *prometheus.CounterVec

	firstStep, secondStep *policy.Limiter // challenges for one address before each costs twice as much
}

func newChallenger(ctx context.Context, cfg challenge.Config, s store.Store, g *group, reg prometheus.Registerer) (*challenger, error) {
	kept, err := keptKey(ctx, s, challengeKey)
	if err != nil {
		return nil, err
	}
	c := &challenger{
		kept: challenge.NewKey(string(kept)), firstStep: perMinute(30), secondStep: perMinute(120),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_challenges_total", Help: "Alternate challenges issued, and what became of solutions.",
		}, []string{"result"}),
	}
	if c.inner, err = challenge.New(cfg, signingKeys(cfg.Secret, c.kept), newSpender(cfg, s, g)); err != nil {
		return nil, err
	}
	c.results.WithLabelValues("issued")
	for _, o := range challenge.Outcomes() {
		c.results.WithLabelValues(o.String())
	}
	reg.MustRegister(c.results)
	return c, nil
}

// newSpender remembers which challenges were answered: in the store, or in a fleet on
// its board.
func newSpender(cfg challenge.Config, s store.Store, g *group) challenge.Spender {
	known := once.NewSet(cfg.Expires, maxTickets)
	if g == nil {
		return once.NewSpent(known, s, "solutions")
	}
	return &sharedSpent{board: g.board, member: g.member, known: known}
}

func perMinute(n int) *policy.Limiter {
	return policy.NewLimiter(policy.Budget{PerIP: policy.Rate{N: n, Per: time.Minute}}, nil)
}

// rotate takes over the secrets of a configuration that was loaded again. What an
// earlier one signed counts as long as it is open on pages.
func (c *challenger) rotate(secrets challenge.Secrets) error {
	return c.inner.Rotate(signingKeys(secrets, c.kept))
}

// Issue makes a challenge.
func (c *challenger) Issue(b policy.Binding, factor int) any {
	return c.issue(b, factor, b.User.UserIP)
}

// issue makes a challenge for a visitor at an address: the more of them its
// network asks for, the dearer.
func (c *challenger) issue(b policy.Binding, factor int, visitor netip.Addr) any {
	c.results.WithLabelValues("issued").Inc()
	if !c.firstStep.Take(policy.NotLasting, visitor, "") {
		factor *= 2
	}
	if !c.secondStep.Take(policy.NotLasting, visitor, "") {
		factor *= 2
	}
	return c.inner.Issue(binding(b), factor)
}

// Check says what a solution is worth.
func (c *challenger) Check(ctx context.Context, solution string, b policy.Binding) policy.Solution {
	ctx, cancel := context.WithTimeout(ctx, maxCheckWait)
	defer cancel()
	r, _ := c.inner.Check(ctx, solution, binding(b), payer{b}) // its errors are outcomes too
	c.results.WithLabelValues(r.Outcome.String()).Inc()
	return policy.Solution{Found: r.Outcome.String(), Valid: r.Outcome == challenge.Solved, Cause: captcha.Cause(r.Cause), Asked: r.Asked}
}

// A payer is whom a wrong solution is charged to.
type payer struct{ policy.Binding }

func (p payer) Network() netip.Prefix { return captcha.Network(p.User.UserIP) }
func (p payer) Take(tokens int) bool  { return p.Checks.Take(p.User.UserIP, tokens) }
func (p payer) Return(tokens int)     { p.Checks.Return(p.User.UserIP, tokens) }

func binding(b policy.Binding) challenge.Binding {
	of := challenge.Binding{Scene: b.Scene, Cause: string(b.Cause)}
	if b.User.UserIP.IsValid() {
		of.Household = captcha.Household(b.User.UserIP)
	}
	return of
}

// IssueForPage issues a challenge that a page fetched: it is bound to the scene.
func (c *challenger) IssueForPage(scene string, cause captcha.Cause, visitor netip.Addr) any {
	return c.issue(policy.Binding{Scene: scene, Cause: cause}, 1, visitor)
}
