package gateway

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"captchagate/admin"
	"captchagate/captcha"
	"captchagate/connlimit"
	"captchagate/public"
	"captchagate/upstream"
	"captchagate/web"
)

// newDoors makes what backends, pages and operators reach, over all that New made
// before.
func (g *Gateway) newDoors(ctx context.Context) (err error) {
	if g.client, err = web.New(g.cfg.Client); err != nil {
		return err
	}
	if g.names, err = newNames(ctx, g.store, g.group.monthKeys(), g.log); err != nil {
		return err
	}
	doors, err := publicConfig(g.cfg, g.names)
	if err != nil {
		return err
	}
	doors.Forwarder = forwarder{g.upstream, g.levels.Around(g.upstream)}
	if doors.Others, err = g.others(); err != nil {
		return err
	}
	g.public = public.New(doors, g.decider(), g.situation, g.challenger, answers{g.incidents, g.history}, g.reports, connlimit.Vouch, g.log, g.registry)
	g.connections, g.operators = newConnections(g.cfg, connlimit.Descriptors(), g.log)
	g.registerMetrics()
	g.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if g.certificates, err = newCertificates(g.cfg); err != nil {
		return err
	}
	g.certificates.registerMetrics(g.registry)
	g.admin, err = g.newAdmin()
	return err
}

// A forwarder makes calls in shadow, and has those counted for the service levels that
// nobody else looks at: they are made while the circuit is open too.
type forwarder struct {
	*upstream.Client
	counted captcha.Verifier
}

// Unseen counts a call.
func (f forwarder) Unseen(ctx context.Context, t captcha.Ticket, s *captcha.Shadow) {
	_, _ = f.counted.Verify((&captcha.Exchange{Shadow: s}).Context(context.WithoutCancel(ctx)), t)
}

// newAdmin makes the operators' door, over all that New made before.
func (g *Gateway) newAdmin() (*admin.Server, error) {
	cfg, err := g.cfg.Admin, error(nil)
	if cfg.Tokens, err = cfg.OwnTokens(); err != nil {
		return nil, err
	}
	if len(g.cfg.Admin.Tokens) == 0 && !cfg.Demo {
		g.log.Info("no admin.tokens are configured; the operators' token is in admin.token_file", "path", cfg.File)
	}
	var reload func(context.Context, string) (admin.Reloaded, error)
	if g.reload != nil {
		reload = g.reloadFor
	}
	return admin.New(cfg, g.control,
		&views{situation: g.situation, control: g.control, forced: g.forced, breaker: g.breaker, policy: g.policy, apps: g.apps, script: g.script, upstream: g.upstream, store: g.store, trouble: g.storeTrouble, incidents: g.incidents, history: g.history, queue: g.queue, levels: g.levels, names: g.names, alarms: g.alarms, group: g.group},
		reload, promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{}), g.log, g.registry), nil
}

// PagePolicy is the Content-Security-Policy that a page needs, served from the
// gateway's own origin.
func (g *Gateway) PagePolicy() string { return g.client.Policy("") }

// Mount serves h beside the gateway's own routes, at a path such as /demo or, where
// it ends in a slash, also below it; / is a path like any other. It must be called
// before Handler and Run.
func (g *Gateway) Mount(path string, h http.Handler) {
	if g.mounted == nil {
		g.mounted = map[string]http.Handler{}
	}
	g.mounted[path] = h
}

// Handler serves backends and pages.
func (g *Gateway) Handler() http.Handler {
	return g.traces.Handler(g.public.Handler(g.client, g.mounted), g.public.Doors()...)
}

// AdminHandler serves operators.
func (g *Gateway) AdminHandler() http.Handler { return g.admin.Handler() }
