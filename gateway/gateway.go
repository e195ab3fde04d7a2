// Package gateway is the whole service: wiring and life cycle. The order of the
// layers can be read in New, that of the routes in public and admin.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/admin"
	"captchagate/alarms"
	"captchagate/breaker"
	"captchagate/config"
	"captchagate/connlimit"
	"captchagate/control"
	"captchagate/policy"
	"captchagate/public"
	"captchagate/reverify"
	"captchagate/sla"
	"captchagate/store"
	"captchagate/store/bolt"
	"captchagate/trace"
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
	log      *slog.Logger // folds what repeats
	unfolded *slog.Logger // for what operators do: each time has its line
	registry *prometheus.Registry

	store        store.Store
	group        *group // nil for one instance
	control      *control.Control
	upstream     *upstream.Client
	breaker      *breaker.Breaker
	apps         *watch.Apps
	situation    *situation
	forced       *forcedMode
	challenger   *challenger
	policy       *policy.Policy
	public       *public.Server
	admin        *admin.Server
	script       *watch.Script
	reports      *watch.Reports
	incidents    *watch.Incidents
	history      *watch.History
	levels       *sla.Levels
	traces       *trace.Tracer // nil = there are none
	queue        *reverify.Queue
	alarms       *alarms.Alarms
	names        *names
	tickets      *tickets
	budgets      *budgets
	storeTrouble *storeTrouble
	client       *web.Client // what pages load
	mounted      map[string]http.Handler

	connections, operators *connlimit.Limiter // of the two listeners
	certificates           certificates

	reload  func() (config.Config, error)
	reloads reloads
	closers []func()
}

// New builds the gateway of cfg. transport carries the calls to the Captcha
// API; nil is one of its own. reload loads the configuration anew; it may be
// nil. Where New fails nothing stays open. Run or Start sets it going, Close
// releases what it holds.
func New(ctx context.Context, cfg config.Config, transport http.RoundTripper, reload func() (config.Config, error), log *slog.Logger) (_ *Gateway, err error) {
	g := &Gateway{cfg: cfg, reload: reload, registry: prometheus.NewRegistry()}
	log = g.fold(log)
	g.reloads.taken, g.reloads.inForce = cfg, cfg
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
	g.history = watch.NewHistory()
	events, err := g.newRecorder(ctx)
	if err != nil {
		return nil, err
	}
	if err = errors.Join(g.newUpstream(ctx, transport), g.newAlarms(ctx, events, transport)); err != nil {
		return nil, err
	}
	g.script = watch.NewScript(cfg.ScriptProbe, transport, events.scriptChanged, g.upstream.CountLocalTrouble, log, g.registry)
	g.reports = watch.NewReports(g.script.ProbeSoon, events.pagesFail, log, g.registry)
	if g.tickets, err = newTickets(ctx, g.store, log); err != nil {
		return nil, err
	}
	placement, err := g.joinFleet(ctx)
	if err != nil {
		return nil, err
	}
	events.group = g.group
	ports := breaker.Ports{Fates: g.fates(), Abandoned: g.abandoned(), Journal: events, Connections: g.upstream, Peers: g.peers(), Siblings: g.siblings(), Calls: calls{answers{g.incidents, g.history}, g.levels}}
	if g.breaker, err = breaker.New(g.traces.Attempts(g.upstream), ports, cfg.Upstream.Apps[0].CaptchaAppID, placement, cfg.Breaker, cfg.Upstream.Limits, log, g.registry); err != nil {
		return nil, err
	}
	g.group.serve(g.breaker, g.control)
	if g.apps, err = watch.NewApps(ctx, g.traces.Requests(g.breaker), appKeys(cfg), g.store, events.suspicion, log, g.registry); err != nil {
		return nil, err
	}
	g.situation = newSituation(g.control, g.breaker, g.script)
	events.situation = g.situation
	if g.challenger, err = newChallenger(ctx, cfg.Challenge, g.store, g.group, g.registry); err != nil {
		return nil, err
	}
	ledger, err := g.newPasses(ctx, events, transport)
	if err != nil {
		return nil, err
	}
	g.policy = policy.New(g.apps, policy.Ports{Situation: g.situation, Challenger: g.challenger, Ledger: ledger, Passes: ledger, Refusals: g.refusals(), BudgetSpent: events.budgetSpent},
		policyConfig(cfg), placement, log, g.registry)
	if g.budgets, err = newBudgets(ctx, g.policy, g.store, log); err != nil {
		return nil, err
	}
	g.follow(events)
	return g, g.newDoors(ctx)
}

// follow has those told of what happens who act on it: of the switch, or once a second,
// and of the situation, the queue and the fleet's incidents.
func (g *Gateway) follow(events *recorder) {
	g.situation.changed = g.policy.Observe
	events.queue = g.queue
	g.group.shareIncidents(g.incidents, events)
	g.group.shareAlarms(g.alarms)
	g.group.shareLevels(g.levels)
	g.control.Follow(g.situation.Observe)
	g.control.Follow(g.storeTrouble.observe)
	g.forced = &forcedMode{control: g.control, incidents: g.incidents, breaker: g.breaker}
	g.control.Follow(g.forced.observe)
}

// newUpstream makes what asks the Captcha API, and what traces that.
func (g *Gateway) newUpstream(ctx context.Context, transport http.RoundTripper) (err error) {
	if g.upstream, err = upstream.New(g.cfg.Upstream.Config, g.cfg.Upstream.MaxInFlight, transport, g.registry); err != nil {
		return err
	}
	g.closers = append(g.closers, g.upstream.Close)
	return g.newTraces(ctx)
}

// newRecorder makes the incidents and what records events in them, and the service levels.
func (g *Gateway) newRecorder(ctx context.Context) (_ *recorder, err error) {
	events := &recorder{control: g.control, log: g.log}
	if g.incidents, err = watch.NewIncidents(ctx, g.store, events.incidentEnded, g.log); err != nil {
		return nil, err
	}
	events.incidents = g.incidents
	g.levels, err = sla.New(ctx, g.cfg.SLA, g.store, g.log, g.registry)
	return events, err
}

func (g *Gateway) closeStore() {
	if err := g.store.Close(); err != nil {
		g.log.Error("the store could not be closed", "error", err)
	}
}

// Start runs what goes on in the background until ctx ends, and returns a
// function that waits for its end.
func (g *Gateway) Start(ctx context.Context) (wait func()) {
	var wg sync.WaitGroup
	g.lives() // the process may stand still before its next beat
	wg.Go(func() { g.beat(ctx) })
	wg.Go(func() { g.store.Run(ctx) })
	wg.Go(func() { g.control.Run(ctx) })
	wg.Go(func() { g.watchKeys(ctx) })
	wg.Go(func() { g.watchCertificates(ctx) })
	wg.Go(func() { g.upstream.Run(ctx) })
	wg.Go(func() { g.breaker.Run(ctx) })
	wg.Go(func() { g.apps.Run(ctx) })
	wg.Go(func() { g.names.Run(ctx) })
	wg.Go(func() { g.script.Run(ctx) })
	wg.Go(func() { g.incidents.Run(ctx) })
	wg.Go(func() { g.history.Run(ctx, g.standing) })
	wg.Go(func() { g.admin.Run(ctx) })
	wg.Go(func() { g.levels.Run(ctx) })
	wg.Go(func() { g.alarms.Run(ctx) })
	wg.Go(func() { g.watchClaims(ctx) })
	wg.Go(func() { g.queue.Run(ctx) })
	wg.Go(func() { g.tickets.Run(ctx) })
	wg.Go(func() { g.budgets.Run(ctx) })
	if g.group != nil {
		wg.Go(func() { g.group.Run(ctx) })
	}
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
	s.Wait(cfg.Patience)
	return s, nil
}

// CheckStore says whether what stands at store.path is something else than a store. It
// changes nothing there.
func CheckStore(cfg store.Config) error { return bolt.Look(cfg.Path) }

// newPasses makes what remembers who was let through unverified.
func (g *Gateway) newPasses(ctx context.Context, events *recorder, transport http.RoundTripper) (*ledger, error) {
	g.storeTrouble = &storeTrouble{audit: events.storeTrouble, healthy: g.store.Healthy}
	kept, keys, err := g.queueStore(ctx)
	if err != nil {
		return nil, err
	}
	g.queue, err = reverify.New(ctx, g.levels.Around(g.upstream), kept, pace{g.situation, g.group}, nil, g.cfg.Reverify, keys, transport, g.upstream.CountLocalTrouble, g.log, g.registry)
	if err != nil {
		return nil, err
	}
	g.queue.Wait(g.cfg.Store.Patience)
	g.group.shareQueue(g.queue)
	g.queue.NameIncidents(func(incident string) (string, bool) {
		i, ok := g.incidents.Find(incident)
		return i.ID, ok
	})
	l := newLedger(g.tickets, g.taker(), g.queue, g.incidents, g.storeTrouble)
	if g.group != nil {
		g.group.ledger = l
	}
	return l, nil
}
