package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"captchagate/admin"
	"captchagate/config"
	"captchagate/control"
)

// reloadEvery is how often the configuration is loaded again at most. Who asks sooner
// shares the next time with all others who do.
const reloadEvery = time.Second

// reloads are those who asked for a reload that has not begun.
type reloads struct {
	running sync.Mutex // held while one goes on
	last    time.Time  // that one ended; running is held
	taken   config.Config
	inForce config.Config // what of it holds; running is held

	mu   sync.Mutex
	next *reload
}

// A reload is one that several may have asked for.
type reload struct {
	actors []string
	over   chan struct{}

	came admin.Reloaded // once it is over, as err
	err  error
}

// join returns the next reload, and whether the caller is the first and has to do it.
func (r *reloads) join(actor string) (next *reload, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next, first = &reload{over: make(chan struct{})}, true
	}
	if !slices.Contains(r.next.actors, actor) {
		r.next.actors = append(r.next.actors, actor)
	}
	return r.next, first
}

// begin ends the joining of the next reload.
func (r *reloads) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = nil
}

// Reload loads the configuration again on the process's own behalf, as a
// signal asks for, and enters in the audit what came of it.
func (g *Gateway) Reload(ctx context.Context) error {
	_, err := g.reloadFor(ctx, actor)
	return err
}

// reloadFor is Reload in the name of whoever asked, and returns what came of it.
func (g *Gateway) reloadFor(ctx context.Context, actor string) (came admin.Reloaded, err error) {
	next, first := g.reloads.join(actor)
	if !first {
		select {
		case <-next.over:
			return next.came, next.err
		case <-ctx.Done():
			return came, ctx.Err()
		}
	}
	g.reloads.running.Lock()
	defer g.reloads.running.Unlock()
	<-time.After(time.Until(g.reloads.last.Add(reloadEvery)))
	g.reloads.begin()
	defer close(next.over)
	came, err = g.takeOver()
	next.came, next.err, g.reloads.last = came, err, time.Now()
	g.control.Audit(control.KindReload, strings.Join(next.actors, ", "), came.Summary, nil)
	return came, err
}

// errOpens: without a key whoever reaches the listener is a caller, so a section that got
// lost would open the gateway.
var errOpens = errors.New("api_keys: were there and are gone: without any key, whoever reaches the gateway could ask as a backend; put the keys back, or restart the gateway if it is to be open")

// takeOver puts in force what a new configuration says of scenes, API keys,
// disaster tickets, challenge.secret and the keys of upstream and drop_in, and says for the audit what came of it.
// Everything that can fail does so before anything changes.
func (g *Gateway) takeOver() (came admin.Reloaded, err error) {
	failed := admin.Reloaded{Summary: "the configuration was not reloaded; the log says why"}
	if g.reload == nil {
		return failed, errors.New("there is no configuration file to load again")
	}
	cfg, err := g.reload()
	if err != nil {
		g.unfolded.Error("the configuration was not reloaded", "error", err)
		return failed, err
	}
	if len(g.reloads.inForce.APIKeys) > 0 && len(cfg.APIKeys) == 0 {
		g.unfolded.Error("the configuration was not reloaded", "error", errOpens)
		return failed, errOpens
	}
	next := g.reloads.inForce.TakeKeys(cfg) // what is not named here waits for a restart
	next.Scenes, next.DisasterTickets, next.APIKeys = cfg.Scenes, cfg.DisasterTickets, cfg.APIKeys
	if err := next.Validate(); err != nil {
		g.unfolded.Error("the configuration was not reloaded: with what waits for a restart it makes no sense", "error", err)
		return failed, err
	}
	if err := g.challenger.rotate(cfg.Challenge.Secret); err != nil {
		g.unfolded.Error("the configuration was not reloaded: its challenge.secret cannot be used", "error", err)
		return failed, err
	}
	if err := g.useKeys(next); err != nil {
		g.unfolded.Error("the configuration was not reloaded: its keys cannot be used", "error", err)
		return failed, err
	}
	g.policy.Reconfigure(policyConfig(next))
	g.rereadCertificates()
	g.control.SetScenes(sceneNames(next.Scenes))
	g.public.SetAPIKeys(next.APIKeys)
	next.Challenge.Secret = cfg.Challenge.Secret
	g.reloads.inForce = next
	return g.tellReload(next, cfg), nil
}

// tellReload says what a reload changed, and what is gone: a file may have been cut.
func (g *Gateway) tellReload(next, cfg config.Config) admin.Reloaded {
	was := g.reloads.taken
	g.reloads.taken = cfg
	gone, waiting := config.GoneOf(was, cfg), strings.Join(config.Changed(next, cfg), ", ")
	changed := cmp.Or(strings.Join(config.Changed(was, cfg), ", "), "nothing")
	g.unfolded.Info("configuration reloaded: scenes, api_keys, disaster_tickets, challenge.secret and the keys of upstream and drop_in; the other sections wait for a restart", "changed", changed)
	summary := "the configuration was reloaded; changed since the last time: " + changed
	if text := gone.String(); text != "" {
		summary += "; gone is " + text
		g.unfolded.Warn("the configuration lost something; if that was not meant, the file may have been cut: mend it and reload", "gone", text)
	}
	if waiting != "" {
		summary += "; what changed in " + waiting + " waits for a restart"
		g.unfolded.Warn("the configuration was changed where only a restart takes it over", "sections", waiting)
	}
	g.warn(cfg)
	return admin.Reloaded{Summary: summary, Warnings: gone.Warnings()}
}
