package gateway

import (
	"context"
	"maps"
	"strings"
	"time"

	"captchagate/config"
	"captchagate/control"
)

// Every keysEvery the files are looked at that hold keys. What they hold is taken once
// keysLooks in a row found the same: one that is just being written is empty, or half.
const (
	keysEvery = time.Second
	keysLooks = 3
)

// A keysLook is what was found in the files of keys when they were looked at last.
type keysLook struct {
	values map[string]string
	wrong  string // what is wrong with it, "" = nothing
	times  int    // that it was found, in a row
	told   string // of what was wrong
}

// watchKeys has keys that come from files be those that the files hold, until ctx ends.
func (g *Gateway) watchKeys(ctx context.Context) {
	every := time.NewTicker(keysEvery)
	defer every.Stop()
	var last keysLook
	for {
		select {
		case <-every.C:
			g.lookAtKeys(&last)
		case <-ctx.Done():
			return
		}
	}
}

// lookAtKeys takes over what has stood in the files for long enough. Where that cannot
// be used nothing changes, and it is told once.
func (g *Gateway) lookAtKeys(last *keysLook) {
	if !g.reloads.running.TryLock() {
		return // a reload goes on, which reads them too
	}
	defer g.reloads.running.Unlock()
	values, err := g.reloads.inForce.ReadKeys()
	next, changed := g.reloads.inForce.WithKeys(values)
	if err == nil && len(changed) == 0 {
		*last = keysLook{}
		return
	}
	if err == nil {
		err = next.Validate()
	}
	if !last.again(values, err) {
		return
	}
	if err == nil {
		err = g.useKeys(next)
	}
	if err != nil {
		last.tell(func() {
			g.unfolded.Error("keys were not read again from their files; those that were read before stay in force", "error", err)
		})
		return
	}
	g.policy.Reconfigure(policyConfig(next))
	g.tellKeys(next, changed)
}

// again notes what was found, and reports whether that was often enough.
func (l *keysLook) again(values map[string]string, err error) bool {
	wrong := ""
	if err != nil {
		wrong = err.Error()
	}
	if !maps.Equal(values, l.values) || wrong != l.wrong {
		l.values, l.wrong, l.times = values, wrong, 0
	}
	l.times++
	return l.times >= keysLooks
}

// tell tells what is wrong once.
func (l *keysLook) tell(how func()) {
	if l.told != l.wrong {
		l.told = l.wrong
		how()
	}
}

// useKeys puts the keys of c in force. Calls and requests under way end with the old ones.
func (g *Gateway) useKeys(c config.Config) error {
	id, err := pageAppID(c)
	if err != nil {
		return err
	}
	g.upstream.SetAccount(c.Upstream.Config)
	g.apps.SetKeys(appKeys(c))
	g.public.SetAccounts(accounts(c))
	g.public.SetAppID(id)
	return nil
}

// tellKeys says which keys the files changed; running is held.
func (g *Gateway) tellKeys(next config.Config, changed []string) {
	g.reloads.inForce, g.reloads.taken = next, g.reloads.taken.TakeKeys(next)
	names := strings.Join(changed, ", ")
	g.unfolded.Info("keys were read again from their files", "changed", names)
	g.control.Audit(control.KindReload, actor, "keys were read again from their files; changed: "+names, nil)
}
