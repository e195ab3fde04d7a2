package gateway

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/challenge"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/store"
)

// checkPatience is how long a solution waits for its turn to be derived.
const checkPatience = 2 * time.Second

// challenger is the alternate challenge in policy's words, counted, and dearer
// for networks that ask for many.
type challenger struct {
	inner   atomic.Pointer[challenge.Challenger]
	cfg     challenge.Config
	spent   challenge.Spender
	keys    []challenge.Key // the first signs; guarded by rotating
	results *prometheus.CounterVec

	rotating    sync.Mutex
	calm, brisk *policy.Purse // challenges for one address before they get dearer
	checks      *policy.Purse // solutions of one address that are looked at
}

func newChallenger(ctx context.Context, cfg challenge.Config, s store.Store, reg prometheus.Registerer) (*challenger, error) {
	key, err := signingKey(ctx, cfg, s)
	if err != nil {
		return nil, err
	}
	c := &challenger{
		cfg: cfg, keys: []challenge.Key{key},
		spent: once.NewSpent(once.NewSet(cfg.Expires, mostTickets), s, "solutions"),
		calm:  perMinute(30), brisk: perMinute(120), checks: perMinute(240),
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

func perMinute(n int) *policy.Purse {
	return policy.NewPurse(policy.Budget{PerIP: policy.Rate{N: n, Per: time.Minute}})
}

// mostKeys is how many earlier keys go on being accepted.
const mostKeys = 3

// rotate signs with a new secret from now on; what earlier ones signed is
// accepted as long as it lives, so that no open page breaks.
func (c *challenger) rotate(secret string) error {
	c.rotating.Lock()
	defer c.rotating.Unlock()
	key := challenge.NewKey(secret)
	if secret == "" || key.ID == c.keys[0].ID {
		return nil
	}
	keys := append([]challenge.Key{key}, c.keys[:min(len(c.keys), mostKeys)]...)
	inner, err := challenge.New(c.cfg, keys, c.spent)
	if err != nil {
		return err
	}
	c.keys = keys
	c.inner.Store(inner)
	return nil
}

// Issue makes a challenge.
func (c *challenger) Issue(b policy.Binding, times int) any {
	return c.issue(b, times, b.User.UserIP)
}

// issue makes a challenge for a visitor at an address: the more of them its
// network asks for, the dearer.
func (c *challenger) issue(b policy.Binding, times int, visitor netip.Addr) any {
	c.results.WithLabelValues("issued").Inc()
	if !c.calm.Take(visitor, "") {
		times *= 2
	}
	if !c.brisk.Take(visitor, "") {
		times *= 2
	}
	return c.inner.Load().Issue(binding(b), times)
}

// Check spends a solution and says what it is worth.
func (c *challenger) Check(ctx context.Context, solution string, b policy.Binding) policy.Solved {
	if !c.checks.Take(b.User.UserIP, "") {
		c.results.WithLabelValues(rateLimited).Inc()
		return policy.Solved{}
	}
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	r, _ := c.inner.Load().Check(ctx, solution, binding(b)) // its errors are outcomes too
	c.results.WithLabelValues(r.Outcome.String()).Inc()
	return policy.Solved{
		Right: r.Outcome == challenge.Solved, Cause: policy.Cause(r.Cause),
		ForUser: r.ForUser, Issued: r.Issued,
	}
}

func binding(b policy.Binding) challenge.Binding {
	return challenge.Binding{
		Scene: b.Scene, Address: b.User.UserIP, Subject: b.User.Subject, Cause: string(b.Cause),
	}
}

// forPage issues a challenge that a page fetched: it is bound to the scene.
func (c *challenger) forPage(scene string, cause policy.Cause, visitor netip.Addr) any {
	return c.issue(policy.Binding{Scene: scene, Cause: cause}, 1, visitor)
}
