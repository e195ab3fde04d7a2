package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"captchagate/captcha"

	"github.com/prometheus/client_golang/prometheus"
)

// A Client asks the Captcha API. It may be used by many goroutines at once.
type Client struct {
	endpoint *url.URL
	account  atomic.Pointer[account]
	carriers interface { // the pool, or what somebody gave us
		take(ctx context.Context, fresh bool) (carrier, error)
	}
	pool    *pool // nil if somebody did
	metrics *metrics
	buffers sync.Pool // of *bytes.Buffer, for answers
	shadows http.RoundTripper
	around  func(http.RoundTripper) http.RoundTripper // what carries a call; nil = nothing is
}

// Around has wrap put a layer around whatever carries a call. It must be called before
// the first.
func (c *Client) Around(wrap func(http.RoundTripper) http.RoundTripper) { c.around = wrap }

// New returns a client for the account of cfg that has up to maxInFlight calls
// at once. If transport is nil the client has a pool of connections of its own;
// a simulator in the same process can be given instead. Like net/http's it has
// to leave a request's body alone once it has failed. A second client on the
// same registerer shares the first one's metrics.
//
// The error lists every mistake in cfg, or says what could not be registered.
func New(cfg Config, maxInFlight int, transport http.RoundTripper, reg prometheus.Registerer) (*Client, error) {
	err := cfg.Validate()
	if maxInFlight < 1 {
		err = errors.Join(err, fmt.Errorf("max_in_flight: must be at least 1, is %d", maxInFlight))
	}
	if err != nil {
		return nil, err
	}
	endpoint, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: cannot be parsed")
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	c := &Client{
		endpoint: endpoint,
		carriers: lent{transport},
		metrics:  m,
		shadows:  transport,
	}
	if transport == nil {
		c.shadows = newShadowTransport(endpoint.Scheme)
		c.pool = newPool(endpoint, maxInFlight, m)
		c.carriers = c.pool
	}
	c.SetAccount(cfg)
	return c, nil
}

// An account is who asks.
type account struct {
	web, mini *action
	keys      map[uint64]string // AppSecretKey by CaptchaAppId
}

// SetAccount has calls that begin from now on be those of cfg's account and apps; the
// others end as they began. What else cfg says must be as in New.
func (c *Client) SetAccount(cfg Config) {
	a := &account{
		web:  newAction(actionWeb, cfg, c.endpoint),
		mini: newAction(actionMini, cfg, c.endpoint),
		keys: make(map[uint64]string, len(cfg.Apps)),
	}
	for _, app := range cfg.Apps {
		a.keys[app.CaptchaAppID] = app.AppSecretKey
	}
	c.account.Store(a)
}

func (a *account) action(mini bool) *action {
	if mini {
		return a.mini
	}
	return a.web
}

// Verify asks about t once, within the context's deadline, or 30 s where it has
// none. Every error is a *captcha.Failure, and none holds the ticket, a secret
// or a piece of the answer's body.
func (c *Client) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	by := c.account.Load()
	key, known := by.keys[t.AppID]
	if !known {
		return captcha.Verdict{}, &captcha.Failure{
			Kind: captcha.Misconfigured,
			Err:  fmt.Errorf("no AppSecretKey for CaptchaAppId %d; add it to upstream.apps", t.AppID),
		}
	}
	x := captcha.ExchangeOf(ctx)
	if x != nil && x.Shadow != nil {
		return c.look(ctx, t, x.Shadow)
	}
	r := c.send(ctx, t, by.action(t.Mini), key)
	verdict, failure := c.classify(t.Mini, r)
	r.release(failure)
	if failure != nil {
		if x != nil {
			x.Before, x.After = nil, nil
		}
		return captcha.Verdict{}, failure
	}
	return verdict, nil
}

// Run keeps a few connections standing, ahead of the calls, until ctx ends.
// Without it the first calls wait for theirs.
func (c *Client) Run(ctx context.Context) {
	if c.pool != nil {
		c.pool.run(ctx)
	}
}

// CountLocalTrouble counts trouble of this host's own, of one of
// captcha.LocalTroubleKinds, that another room met.
func (c *Client) CountLocalTrouble(kind string) { c.metrics.local.WithLabelValues(kind).Inc() }

// Reset has every connection forgotten that stands now. The next calls make
// theirs anew, to the addresses that the API's name has then.
func (c *Client) Reset() {
	if c.pool != nil {
		c.pool.reset()
	}
}

// Close closes the connections that no call is using; the others end with their
// calls. No call may begin after it.
func (c *Client) Close() {
	if c.pool != nil {
		c.pool.close()
		if shadows, ok := c.shadows.(*http.Transport); ok {
			shadows.CloseIdleConnections()
		}
	}
}

// Addresses are those of the API that connections lead to or led to lately, in
// order.
func (c *Client) Addresses() []Address {
	if c.pool == nil {
		return nil
	}
	return c.pool.status()
}
