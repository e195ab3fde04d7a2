package loadtest

import (
	"context"
	"fmt"

	"captchagate/loadtest/send"
)

// A Gateway is one under test: how it and its Captcha API are reached, each as
// HOST:PORT on loopback.
type Gateway struct {
	Name      string
	Address   string
	Admin     string // its operators' listener; "" = it has none, and its circuit stays unknown
	Token     string // for that, if it asks for one
	Simulator string // its Captcha API, which nobody else may use: its calls are counted
	Version   string
	Process   Process // nil = it was running before, and is not ours to kill
}

// A Process can be killed and started again under the same addresses.
type Process interface {
	Kill() error
	Start(ctx context.Context) error // returns when it is ready
}

func (g Gateway) validate() error {
	for what, address := range map[string]string{"address": g.Address, "simulator": g.Simulator, "admin address": g.Admin} {
		if address == "" && what == "admin address" {
			continue
		}
		if err := send.Loopback(address); err != nil {
			return fmt.Errorf("%w: the %s of %s: %w", ErrScenario, what, g.Name, err)
		}
	}
	return nil
}
