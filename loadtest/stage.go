package loadtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"captchagate/gateway"
	"captchagate/loadtest/scenario"
	"captchagate/simulator"
)

// A Stage is a gateway and a simulated Captcha API that were started for a run,
// as processes of their own, with their files in a temporary folder.
type Stage struct {
	folder    string
	gateway   *child
	simulator *child
	api       string // where the simulator listens
	listen    string
	admin     string
}

// Commands says how to start the two: a program and its first arguments each.
// The gateway's is given the path of a configuration, the simulator's flags as
// cmd/simulator has them. Both must end when their standard input does.
type Commands struct{ Gateway, Simulator []string }

// Open starts what the scenario needs. Close must be called if there is no
// error.
func Open(ctx context.Context, s scenario.Scenario, c Commands) (*Stage, error) {
	folder, err := os.MkdirTemp("", "captchagate-loadtest-")
	if err != nil {
		return nil, fmt.Errorf("a temporary folder for the gateway's store is needed: %w", err)
	}
	st := &Stage{folder: folder}
	if err := st.open(ctx, s, c); err != nil {
		st.Close()
		return nil, err
	}
	return st, nil
}

func (st *Stage) open(ctx context.Context, s scenario.Scenario, c Commands) error {
	for _, address := range []*string{&st.api, &st.listen, &st.admin} {
		var err error
		if *address, err = freeAddress(ctx); err != nil {
			return err
		}
	}
	path := filepath.Join(st.folder, "gateway.yaml")
	if err := os.WriteFile(path, st.config(), 0o600); err != nil {
		return err
	}
	env := overrides(s)
	st.simulator = &child{
		what: "simulator", command: append(slices.Clone(c.Simulator), simulatorFlags(s, st.api)...),
		ready: "http://" + st.api + "/_sim/stats", log: filepath.Join(st.folder, "simulator.log"),
	}
	st.gateway = &child{
		what: "gateway", command: append(slices.Clone(c.Gateway), path), env: env,
		ready: "http://" + st.listen + "/readyz", log: filepath.Join(st.folder, "gateway.log"),
	}
	if err := st.simulator.Start(ctx); err != nil {
		return err
	}
	return st.gateway.Start(ctx)
}

// Gateway is what runs on the stage.
func (st *Stage) Gateway() Gateway {
	return Gateway{
		Name: "captchagate", Address: st.listen, Admin: st.admin, Simulator: st.api,
		Version: gateway.Version(), Process: st.gateway,
	}
}

// Close ends both processes and removes their files.
func (st *Stage) Close() {
	for _, one := range []*child{st.gateway, st.simulator} {
		if one != nil {
			_ = one.Kill()
		}
	}
	_ = os.RemoveAll(st.folder)
}

func simulatorFlags(s scenario.Scenario, listen string) []string {
	return []string{
		"--listen", listen, "--latency", s.API.Latency.String(), "--jitter", s.API.Jitter.String(),
		"--capacity", fmt.Sprint(s.API.Capacity), "--seed", fmt.Sprint(s.Seed),
		"--app", fmt.Sprintf("%d=%s", simulator.DefaultAppID, simulator.DefaultAppSecretKey),
		"--app", fmt.Sprintf("%d=%s", ForeignApp, "another-site-of-the-simulator"),
	}
}

// freeAddress is an address of loopback that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
