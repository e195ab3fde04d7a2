package loadtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"captchagate/gateway"
	"captchagate/loadtest/scenario"
	"captchagate/simulator"
)

// A Stage is a gateway, of one or more instances, and a simulated Captcha API that
// were started for a run, as processes of their own, with their files in a temporary
// folder; and where the scenario has one, a Redis.
type Stage struct {
	folder    string
	instances []staged
	simulator *child
	api       string   // where the simulator listens
	direct    *child   // a simulator that is asked without a gateway; nil = there is none
	directAt  string   // where that one listens
	network   *network // nil = the API is at the simulator's address, without a name
	redis     *Redis   // nil = there is none
	secret    string   // that instances share, where there are several or a Redis
}

// staged is one instance of the gateway.
type staged struct {
	process       *child
	folder        string
	listen, admin string
	token         string // of its operators
}

// Commands says how to start what there is: a program and its first arguments each.
// The gateway's is given the path of a configuration, and where the API is behind
// a name --resolver; the simulator's flags are those of cmd/simulator, and those
// of the network; Redis's is given the server's program and flags. All must end when
// their standard input does.
type Commands struct{ Gateway, Simulator, Redis []string }

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

func (st *Stage) open(ctx context.Context, s scenario.Scenario, c Commands) (err error) {
	if err := st.openSimulator(ctx, s, c.Simulator); err != nil {
		return err
	}
	if s.HasRedis() {
		slow := slices.ContainsFunc(s.Moments(), func(step scenario.Step) bool { return step.Redis != nil && step.Redis.Kind == "slow" })
		if st.redis, err = newRedis(ctx, c.Redis, st.folder, slow); err != nil {
			return err
		}
		if err := st.redis.open(ctx); err != nil {
			return err
		}
	}
	if s.Shadow {
		if err := st.openDirect(ctx, s, c.Simulator); err != nil {
			return err
		}
	}
	st.share(s)
	for i := range s.Instances {
		if err := st.openInstance(ctx, i, s, c.Gateway); err != nil {
			return err
		}
	}
	return nil
}

func (st *Stage) openSimulator(ctx context.Context, s scenario.Scenario, command []string) (err error) {
	if st.api, err = freeAddress(ctx); err != nil {
		return err
	}
	if st.network, err = newNetwork(ctx, s, st.folder); err != nil {
		return err
	}
	flags := simulatorFlags(s, st.api)
	if n := st.network; n != nil {
		flags = append(flags, n.simulatorFlags(s.API)...)
	}
	st.simulator = &child{
		what: "simulator", command: slices.Concat(command, flags),
		ready: answers(st.api, "/_sim/stats"), log: filepath.Join(st.folder, "simulator.log"),
	}
	if err := st.simulator.Start(ctx); err != nil || st.network == nil {
		return err
	}
	door := &subject{sim: newSimControl(st.api)}
	defer door.sim.close()
	return door.setNetwork(ctx, s.API.Network)
}

// openDirect starts another simulator of the same kind.
func (st *Stage) openDirect(ctx context.Context, s scenario.Scenario, command []string) (err error) {
	if st.directAt, err = freeAddress(ctx); err != nil {
		return err
	}
	st.direct = &child{
		what: "simulator that is asked directly", command: slices.Concat(command, simulatorFlags(s, st.directAt)),
		ready: answers(st.directAt, "/_sim/stats"), log: filepath.Join(st.folder, "direct.log"),
	}
	return st.direct.Start(ctx)
}

// openInstance starts one, with files of its own.
func (st *Stage) openInstance(ctx context.Context, i int, s scenario.Scenario, command []string) (err error) {
	one := staged{folder: filepath.Join(st.folder, fmt.Sprint("gateway", i+1))}
	for _, address := range []*string{&one.listen, &one.admin} {
		if *address, err = freeAddress(ctx); err != nil {
			return err
		}
	}
	path := filepath.Join(one.folder, "gateway.yaml")
	if err := errors.Join(os.Mkdir(one.folder, 0o700), os.WriteFile(path, st.config(one, s), 0o600)); err != nil {
		return err
	}
	env, command := overrides(s), append(slices.Clone(command), path)
	if n := st.network; n != nil {
		env, command = append(env, "SSL_CERT_FILE="+n.certificate()), append(command, "--resolver", n.resolver)
	}
	one.process = &child{
		what: "gateway", command: command, env: env,
		ready: answers(one.listen, "/readyz"), log: filepath.Join(one.folder, "gateway.log"),
	}
	st.instances = append(st.instances, one)
	if err := one.process.Start(ctx); err != nil {
		return err
	}
	if one.token = st.secret; one.token == "" {
		one.token, err = one.operators().FileToken()
	}
	st.instances[i] = one
	return err
}

// Gateway is what runs on the stage.
func (st *Stage) Gateway() Gateway {
	g := Gateway{Name: "captchagate", Simulator: st.api, Direct: st.directAt, Version: gateway.Version(), Redis: st.redis}
	for _, one := range st.instances {
		g.Instances = append(g.Instances, Instance{Address: one.listen, Admin: one.admin, Token: one.token, Process: one.process})
	}
	return g
}

// Close ends all processes and removes their files.
func (st *Stage) Close() {
	for _, one := range st.instances {
		_ = one.process.Kill()
	}
	if st.redis != nil {
		st.redis.close()
	}
	for _, sim := range []*child{st.simulator, st.direct} {
		if sim != nil {
			_ = sim.Kill()
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
