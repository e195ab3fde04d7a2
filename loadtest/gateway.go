package loadtest

import (
	"context"
	"fmt"
	"strings"

	"captchagate/loadtest/send"
)

// A Gateway is one under test, of one instance or of several that share the requests:
// how they and their Captcha API are reached, each as HOST:PORT on loopback.
type Gateway struct {
	Name      string
	Instances []Instance
	Simulator string // its Captcha API, which nobody else may use: its calls are counted
	Direct    string // an API of the same kind that callers ask without it; "" = none
	Version   string
	Redis     *Redis // that was started for it; nil = it has none, or not of us
}

// An Instance is one process of a gateway.
type Instance struct {
	Address string
	Admin   string  // its operators' listener; "" = it has none, and its circuit stays unknown
	Token   string  // for that, if it asks for one
	Process Process // nil = it was running before, and is not ours to kill
}

// A Process can be killed and started again under the same addresses.
type Process interface {
	Kill() error
	Start(ctx context.Context) error // returns when it is ready
}

func (g Gateway) validate() error {
	if len(g.Instances) == 0 {
		return fmt.Errorf("%w: %s has no instance", ErrScenario, g.Name)
	}
	places := map[string]string{"simulator": g.Simulator}
	if g.Direct != "" {
		places["simulator that is asked directly"] = g.Direct
	}
	for _, one := range g.Instances {
		places["address"] = one.Address
		if one.Admin != "" {
			places["admin address"] = one.Admin
		}
		for what, address := range places {
			if err := send.Loopback(address); err != nil {
				return fmt.Errorf("%w: the %s of %s: %w", ErrScenario, what, g.Name, err)
			}
		}
	}
	return nil
}

// isOurs reports whether the gateway was started here, and can be killed.
func (g Gateway) isOurs() bool { return len(g.Instances) > 0 && g.Instances[0].Process != nil }

// isTelling reports whether its operators can ask and switch.
func (g Gateway) isTelling() bool { return len(g.Instances) > 0 && g.Instances[0].Admin != "" }

// addresses are those of all instances.
func (g Gateway) addresses() (all []string) {
	for _, one := range g.Instances {
		all = append(all, one.Address)
	}
	return all
}

// urls names where it is reached.
func (g Gateway) urls() string { return "http://" + strings.Join(g.addresses(), ", http://") }
