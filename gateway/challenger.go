package gateway

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
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
	inner   atomic.Pointer[challenge.Challenger]
	cfg     challenge.Config
	spent   challenge.Spender
	keys    []challenge.Key // the first signs; guarded by rotating
	results *prometheus.CounterVec

	rotating              sync.Mutex
	firstStep, secondStep *policy.Limiter // challenges for one address before each costs twice as much
	checks                *policy.Limiter // solutions of one address that are looked at
}

func newChallenger(ctx context.Context, cfg challenge.Config, s store.Store, reg prometheus.Registerer) (*challenger, error) {
	key, err := signingKey(ctx, cfg, s)
	if err != nil {
		return nil, err
	}
	c := &challenger{
		cfg: cfg, keys: []challenge.Key{key},
		spent:     once.NewSpent(once.NewSet(cfg.Expires, maxTickets), s, "solutions"),
		firstStep: perMinute(30), secondStep: perMinute(120), checks: perMinute(240),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_challenges_total", Help: "Alternate challenges issued, and what became of solutions.",
		}, []string{"result"}),
	}
	inner, err := challenge.New(cfg, c.keys, c.spent)
	if err != nil {
		return nil, err
	}
	c.inner.Store(inner)
	c.results.WithLabelValues("issued")
	c.results.WithLabelValues(rateLimited)
	for _, o := range challenge.Outcomes() {
		c.results.WithLabelValues(o.String())
	}
	reg.MustRegister(c.results)
	return c, nil
}

// rateLimited is the result of a solution that was not looked at.
const rateLimited = "rate_limited"

func perMinute(n int) *policy.Limiter {
	return policy.NewLimiter(policy.Budget{PerIP: policy.Rate{N: n, Per: time.Minute}}, nil)
}

// maxOldKeys is how many earlier keys go on being accepted.
const maxOldKeys = 3

// rotate signs with a new secret from now on; what earlier ones signed is
// accepted as long as it lives, so that no open page breaks.
func (c *challenger) rotate(secret string) error {
	c.rotating.Lock()
	defer c.rotating.Unlock()
	key := challenge.NewKey(secret)
	if secret == "" || key.ID == c.keys[0].ID {
		return nil
	}
	keys := append([]challenge.Key{key}, c.keys[:min(len(c.keys), maxOldKeys)]...)
	inner, err := challenge.New(c.cfg, keys, c.spent)
	if err != nil {
		return err
	}
	c.keys = keys
	c.inner.Store(inner)
	return nil
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
	return c.inner.Load().Issue(binding(b), factor)
}

// Check spends a solution and says what it is worth.
func (c *challenger) Check(ctx context.Context, solution string, b policy.Binding) policy.Solution {
	if !c.checks.Take(policy.NotLasting, b.User.UserIP, "") {
		c.results.WithLabelValues(rateLimited).Inc()
		return policy.Solution{}
	}
	ctx, cancel := context.WithTimeout(ctx, maxCheckWait)
	defer cancel()
	r, _ := c.inner.Load().Check(ctx, solution, binding(b)) // its errors are outcomes too
	c.results.WithLabelValues(r.Outcome.String()).Inc()
	return policy.Solution{
		Valid: r.Outcome == challenge.Solved, Cause: captcha.Cause(r.Cause),
		ForUser: r.ForUser,
	}
}

func binding(b policy.Binding) challenge.Binding {
	return challenge.Binding{
		Scene: b.Scene, Address: b.User.UserIP, Subject: b.User.Subject, Cause: string(b.Cause),
	}
}

// IssueForPage issues a challenge that a page fetched: it is bound to the scene.
func (c *challenger) IssueForPage(scene string, cause captcha.Cause, visitor netip.Addr) any {
	return c.issue(policy.Binding{Scene: scene, Cause: cause}, 1, visitor)
}
