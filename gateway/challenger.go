package gateway

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/challenge"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/store"
)

// checkPatience is how long a solution waits for its turn to be derived.
const checkPatience = 2 * time.Second

// challenger is the alternate challenge in policy's words, counted.
type challenger struct {
	inner   *challenge.Challenger
	results *prometheus.CounterVec
}

func newChallenger(ctx context.Context, cfg challenge.Config, s *store.Bolt, reg prometheus.Registerer) (*challenger, error) {
	key, err := challengeKey(ctx, cfg, s)
	if err != nil {
		return nil, err
	}
	spent := once.NewSpent(once.NewSet(cfg.Expires, mostTickets), s, "solutions")
	inner, err := challenge.New(cfg, []challenge.Key{key}, spent)
	if err != nil {
		return nil, err
	}
	c := &challenger{inner: inner, results: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_challenges_total", Help: "Alternate challenges issued, and what became of solutions.",
	}, []string{"result"})}
	c.results.WithLabelValues("issued")
	for _, o := range challenge.Outcomes() {
		c.results.WithLabelValues(o.String())
	}
	reg.MustRegister(c.results)
	return c, nil
}

// Issue makes a challenge.
func (c *challenger) Issue(b policy.Binding, times int) any {
	c.results.WithLabelValues("issued").Inc()
	return c.inner.Issue(binding(b), times)
}

// Check spends a solution and says what it is worth.
func (c *challenger) Check(ctx context.Context, solution string, b policy.Binding) policy.Solved {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	r, _ := c.inner.Check(ctx, solution, binding(b)) // its errors are outcomes too
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
func (c *challenger) forPage(scene string, cause policy.Cause) any {
	return c.Issue(policy.Binding{Scene: scene, User: captcha.Ticket{}, Cause: cause}, 1)
}
