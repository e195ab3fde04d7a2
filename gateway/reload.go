package gateway

import (
	"context"
	"errors"
	"strings"

	"captchagate/config"
	"captchagate/control"
)

// Reload loads the configuration again on the process's own behalf, as a
// signal asks for, and enters in the audit what came of it.
func (g *Gateway) Reload(ctx context.Context) error { return g.reloadFor(ctx, actor) }

// reloadFor is Reload in the name of whoever asked.
func (g *Gateway) reloadFor(_ context.Context, actor string) error {
	g.reloading.Lock() // a signal and an operator may ask at once
	defer g.reloading.Unlock()
	waiting, err := g.takeOver()
	summary := "the configuration was reloaded"
	switch {
	case err != nil:
		summary = "the configuration was not reloaded; the log says why"
	case len(waiting) > 0:
		summary += "; what changed in " + strings.Join(waiting, ", ") + " waits for a restart"
	}
	g.control.Audit(control.KindReload, actor, summary, nil)
	return err
}

// takeOver puts in force what a new configuration says of scenes, API keys,
// disaster tickets and challenge.secret, and returns the sections whose changes wait. Everything that
// can fail does so before anything changes.
func (g *Gateway) takeOver() (waiting []string, err error) {
	if g.reload == nil {
		return nil, errors.New("there is no configuration file to load again")
	}
	cfg, err := g.reload()
	if err != nil {
		g.log.Error("the configuration was not reloaded", "error", err)
		return nil, err
	}
	next := g.cfg // what is not named here waits for a restart
	next.Scenes, next.DisasterTickets, next.APIKeys = cfg.Scenes, cfg.DisasterTickets, cfg.APIKeys
	if err := next.Validate(); err != nil {
		g.log.Error("the configuration was not reloaded: with what waits for a restart it makes no sense", "error", err)
		return nil, err
	}
	if err := g.challenger.rotate(cfg.Challenge.Secret); err != nil {
		g.log.Error("the configuration was not reloaded: its challenge.secret cannot be used", "error", err)
		return nil, err
	}
	g.policy.Reconfigure(policyConfig(next))
	g.control.SetScenes(sceneNames(next.Scenes))
	g.public.SetAPIKeys(next.APIKeys)
	next.Challenge.Secret = cfg.Challenge.Secret
	waiting = config.Changed(next, cfg)
	g.log.Info("configuration reloaded: scenes, api_keys, disaster_tickets and challenge.secret; the other sections wait for a restart")
	if len(waiting) > 0 {
		g.log.Warn("the configuration was changed where only a restart takes it over", "sections", strings.Join(waiting, ", "))
	}
	g.warn(cfg)
	return waiting, nil
}
