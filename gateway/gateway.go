// Package gateway is the whole service: wiring and life cycle. The order of the
// layers can be read in New, that of the routes in public and admin.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"captchagate/admin"
	"captchagate/breaker"
	"captchagate/captcha"
	"captchagate/config"
	"captchagate/connlimit"
	"captchagate/control"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/public"
	"captchagate/reverify"
	"captchagate/store"
	"captchagate/store/bolt"
	"captchagate/upstream"
	"captchagate/watch"
	"captchagate/web"
)

// maxTickets bounds what is remembered of tickets: at 90 bytes each, and the
// API's limit of 1,000 a second, all of five minutes.
const maxTickets = 400_000

// Gateway is the service.
type Gateway struct {
	cfg      config.Config
	log      *slog.Logger
	registry *prometheus.Registry

	store      store.Store
	control    *control.Control
	upstream   *upstream.Client
	breaker    *breaker.Breaker
	situation  *situation
	challenger *challenger
	policy     *policy.Policy
	public     *public.Server
	admin      *admin.Server
	script     *watch.Script
	reports    *watch.Reports
	incidents  *watch.Incidents
	queue      *reverify.Queue
	refusals   *once.LastingSet // what the API refused
	client     *web.Client      // what pages load
	mounted    map[string]http.Handler

	connections, operators *connlimit.Limiter // of the two listeners

	reload    func() (config.Config, error)
	reloading sync.Mutex
	closers   []func()
}

// New builds the gateway of cfg. transport carries the calls to the Captcha
// API; nil is one of its own. reload loads the configuration anew; it may be
// nil. Where New fails nothing stays open. Run or Start sets it going, Close
// releases what it holds.
func New(ctx context.Context, cfg config.Config, transport http.RoundTripper, reload func() (config.Config, error), log *slog.Logger) (_ *Gateway, err error) {
	g := &Gateway{cfg: cfg, log: log, reload: reload, registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			g.Close()
		}
	}()
	if g.store, err = openStore(cfg.Store, log); err != nil {
		return nil, err
	}
	g.closers = append(g.closers, g.closeStore)
	if g.control, err = control.New(ctx, g.store, sceneNames(cfg.Scenes), log); err != nil {
		return nil, err
	}
	events, err := g.newRecorder(ctx)
	if err != nil {
		return nil, err
	}
	if g.upstream, err = upstream.New(cfg.Upstream.Config, cfg.Upstream.MaxInFlight, transport, g.registry); err != nil {
		return nil, err
	}
	g.closers = append(g.closers, g.upstream.Close)
	g.script = watch.NewScript(cfg.ScriptProbe, transport, events.scriptChanged, g.upstream.CountLocalTrouble, log, g.registry)
	g.reports = watch.NewReports(g.script.ProbeSoon, events.pagesFail, log, g.registry)
	fates, abandoned := once.NewSet(captcha.TicketLife, maxTickets), once.NewSet(captcha.TicketLife, maxTickets)
	placement, err := keptKey(ctx, g.store, placementKey)
	if err != nil {
		return nil, err
	}
	ports := breaker.Ports{Fates: fates, Abandoned: abandoned, Journal: events, Connections: g.upstream, Peers: breaker.Alone{}}
	if g.breaker, err = breaker.New(g.upstream, ports, cfg.Upstream.Apps[0].CaptchaAppID, placement, cfg.Breaker, cfg.Upstream.Limits, log, g.registry); err != nil {
		return nil, err
	}
	g.situation = newSituation(g.control, g.breaker, g.script)
	events.situation = g.situation
	if g.challenger, err = newChallenger(ctx, cfg.Challenge, g.store, g.registry); err != nil {
		return nil, err
	}
	ledger, err := g.newPasses(ctx, fates, abandoned, transport)
	if err != nil {
		return nil, err
	}
	g.policy = policy.New(g.breaker, policy.Ports{Situation: g.situation, Challenger: g.challenger, Ledger: ledger, Passes: ledger, Refusals: g.refusals},
		policyConfig(cfg), placement, log, g.registry)
	g.situation.changed = g.policy.Observe
	events.queue = g.queue
	g.control.Follow(g.situation.Observe)
	g.control.Follow((&forcedMode{control: g.control, incidents: g.incidents, breaker: g.breaker}).observe)

	if g.client, err = web.New(cfg.Client); err != nil {
		return nil, err
	}
	g.public = public.New(publicConfig(cfg), g.policy, g.situation, g.challenger, g.incidents, g.reports, log, g.registry)
	g.connections, g.operators = newConnections(cfg, connlimit.Descriptors(), log)
	g.registerMetrics()
	g.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if g.admin, err = g.newAdmin(); err != nil {
		return nil, err
	}
	return g, nil
}

// newRecorder makes the incidents and what records events in them.
func (g *Gateway) newRecorder(ctx context.Context) (_ *recorder, err error) {
	events := &recorder{control: g.control, log: g.log}
	g.incidents, err = watch.NewIncidents(ctx, g.store, events.incidentEnded, g.log)
	events.incidents = g.incidents
	return events, err
}

func (g *Gateway) closeStore() {
	if err := g.store.Close(); err != nil {
		g.log.Error("the store could not be closed", "error", err)
	}
}

// newAdmin makes the operators' door, over all that New made before.
func (g *Gateway) newAdmin() (*admin.Server, error) {
	cfg, err := g.cfg.Admin, error(nil)
	if cfg.Tokens, err = cfg.OwnTokens(); err != nil {
		return nil, err
	}
	if len(g.cfg.Admin.Tokens) == 0 && cfg.File != "" {
		g.log.Info("no admin.tokens are configured; the operators' token is in admin.token_file", "path", cfg.File)
	}
	var reload func(context.Context, string) error
	if g.reload != nil {
		reload = g.reloadFor
	}
	return admin.New(cfg, g.control,
		&views{situation: g.situation, control: g.control, breaker: g.breaker, upstream: g.upstream, store: g.store, incidents: g.incidents, queue: g.queue},
		reload, promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{}), g.log), nil
}

// PagePolicy is the Content-Security-Policy that a page needs, served from the
// gateway's own origin.
func (g *Gateway) PagePolicy() string { return g.client.Policy("") }

// Mount serves h beside the gateway's own routes, under a path such as /demo/.
// It must be called before Handler and Run.
func (g *Gateway) Mount(path string, h http.Handler) {
	if g.mounted == nil {
		g.mounted = map[string]http.Handler{}
	}
	g.mounted[path] = h
}

// Handler serves backends and pages.
func (g *Gateway) Handler() http.Handler { return g.public.Handler(g.client, g.mounted) }

// AdminHandler serves operators.
func (g *Gateway) AdminHandler() http.Handler { return g.admin.Handler() }

// Start runs what goes on in the background until ctx ends, and returns a
// function that waits for its end.
func (g *Gateway) Start(ctx context.Context) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(func() { g.store.Run(ctx) })
	wg.Go(func() { g.control.Run(ctx) })
	wg.Go(func() { g.upstream.Run(ctx) })
	wg.Go(func() { g.breaker.Run(ctx) })
	wg.Go(func() { g.script.Run(ctx) })
	wg.Go(func() { g.incidents.Run(ctx) })
	wg.Go(func() { g.queue.Run(ctx) })
	wg.Go(func() { g.refusals.Run(ctx) })
	return wg.Wait
}

// Close releases what New opened, last first.
func (g *Gateway) Close() {
	for _, closer := range slices.Backward(g.closers) {
		closer()
	}
	g.closers = nil
}

// openStore opens the store that cfg asks for.
func openStore(cfg store.Config, log *slog.Logger) (store.Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s, err := bolt.Open(cfg.Path, log)
	if err != nil {
		return nil, err // not s: a nil *bolt.Store would make an interface that is not nil
	}
	return s, nil
}

// newPasses makes what remembers who was let through unverified, and which tickets
// the API refused.
func (g *Gateway) newPasses(ctx context.Context, fates, abandoned *once.Set, transport http.RoundTripper) (_ *ledger, err error) {
	if g.refusals, err = once.NewLastingSet(ctx, captcha.TicketLife, maxTickets, g.store, "refusals", g.log); err != nil {
		return nil, err
	}
	key, err := keptKey(ctx, g.store, sealKey)
	if err != nil {
		return nil, err
	}
	g.queue, err = reverify.New(ctx, g.upstream, g.store, g.situation, nil, g.cfg.Reverify, key, transport, g.upstream.CountLocalTrouble, g.log, g.registry)
	if err != nil {
		return nil, err
	}
	return newLedger(fates, abandoned, g.queue, g.incidents), nil
}
