package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"captchagate/captcha"

	"github.com/prometheus/client_golang/prometheus"
)

// A Client asks the Captcha API. It may be used by many goroutines at once.
type Client struct {
	web, mini *action
	transport http.RoundTripper
	keys      map[uint64]string // AppSecretKey by CaptchaAppId
	unknown   prometheus.Counter
	buffers   sync.Pool // of *bytes.Buffer, for answers
}

// New returns a client for the account of cfg that keeps up to maxInFlight
// connections open. Where transport is nil the client uses one of its own; a
// simulator in the same process can be given instead. Like net/http's it has to
// leave a request's body alone once it has failed. A second client on the same
// registerer shares the first one's metric.
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
	unknown, err := registerUnknownCodes(reg)
	if err != nil {
		return nil, err
	}
	if transport == nil {
		transport = newTransport(endpoint.Scheme, maxInFlight)
	}
	c := &Client{
		web:       newAction(actionWeb, cfg, endpoint),
		mini:      newAction(actionMini, cfg, endpoint),
		transport: transport,
		keys:      make(map[uint64]string, len(cfg.Apps)),
		unknown:   unknown,
	}
	for _, app := range cfg.Apps {
		c.keys[app.CaptchaAppID] = app.AppSecretKey
	}
	return c, nil
}

// Verify asks about t once, within the context's deadline, or 30 s where it has
// none. Every error is a *captcha.Failure, and none holds the ticket, a secret
// or a piece of the answer's body.
func (c *Client) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	key, known := c.keys[t.AppID]
	if !known {
		return captcha.Verdict{}, &captcha.Failure{
			Kind: captcha.Misconfigured,
			Err:  fmt.Errorf("no AppSecretKey for CaptchaAppId %d; add it to upstream.apps", t.AppID),
		}
	}
	verdict, failure := c.classify(t.Mini, c.send(ctx, t, key))
	if failure != nil {
		return captcha.Verdict{}, failure
	}
	return verdict, nil
}

// Close closes the connections that no call is using.
func (c *Client) Close() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// registerUnknownCodes returns the counter of CaptchaCodes that no table
// names. A client that replaces another finds the counter there already.
func registerUnknownCodes(reg prometheus.Registerer) (prometheus.Counter, error) {
	counter := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "captchagate_upstream_unknown_codes_total",
		Help: "Answers with a CaptchaCode that has no known meaning; they reject.",
	})
	err := reg.Register(counter)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(prometheus.Counter); ok {
			return existing, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("registering the metric of unknown CaptchaCodes: %w", err)
	}
	return counter, nil
}
