package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

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

// Open starts what the scenario needs. Close must be called where there is no
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
	if err := checkConfig(path, env); err != nil {
		return err
	}
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

// config is the gateway's: the defaults, the simulator's account and a scene
// for each action.
func (st *Stage) config() []byte {
	return fmt.Appendf(nil, `listen: %[1]s
admin: {listen: "%[2]s"}
upstream:
  endpoint: http://%[3]s
  secret_id: %[4]s
  secret_key: %[5]s
  apps:
    - {captcha_app_id: %[6]d, app_secret_key: %[7]s}
scenes:
  default: {degraded: challenge}
  login: {degraded: challenge}
  comment:
    degraded: allow
    budget: {per_ip: 10/m, per_subject: 5/m, total: 200/s, for: 15m}
    over_budget: challenge
  payment: {degraded: deny}
script_probe: {url: "http://%[3]s/TJCaptcha.js", interval: 1s}
client: {script: "http://%[3]s/TJCaptcha.js"}
store: {path: "%[8]s"}
log: {level: error}
`, st.listen, st.admin, st.api, simulator.DefaultSecretID, simulator.DefaultSecretKey,
		simulator.DefaultAppID, simulator.DefaultAppSecretKey, filepath.Join(st.folder, "gateway.db"))
}

// overrides are the scenario's values for the gateway, as its environment.
func overrides(s scenario.Scenario) []string {
	var env []string
	for _, key := range slices.Sorted(maps.Keys(s.Gateway)) {
		env = append(env, variable(key)+"="+s.Gateway[key])
	}
	return env
}

func variable(key string) string {
	return "GATEWAY__" + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// CheckGateway finds what is wrong with the scenario's values for the gateway.
func CheckGateway(s scenario.Scenario) error {
	folder, err := os.MkdirTemp("", "captchagate-loadtest-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // the system clears what stays
	st := &Stage{folder: folder, listen: "127.0.0.1:1", admin: "127.0.0.1:2", api: "127.0.0.1:3"}
	path := filepath.Join(folder, "gateway.yaml")
	if err := os.WriteFile(path, st.config(), 0o600); err != nil {
		return err
	}
	return checkConfig(path, overrides(s))
}

// checkConfig says what is wrong in words of the scenario.
func checkConfig(path string, env []string) error {
	_, err := gateway.Load(path, env)
	mistakes, ok := errors.AsType[gateway.Mistakes](err)
	if !ok {
		return err
	}
	var told []error
	for _, m := range mistakes {
		key := m.Key
		if key == "" {
			key = strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(m.Variable, "GATEWAY__"), "__", "."))
		}
		told = append(told, fmt.Errorf("%w: gateway: %s: %s", ErrScenario, key, m.Text))
	}
	return errors.Join(told...)
}

// ErrScenario says that the scenario asks for something that cannot be.
var ErrScenario = errors.New("scenario")

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

// A child is a process that lives no longer than this one: it ends when its
// standard input does.
type child struct {
	what    string
	command []string
	env     []string
	ready   string // an address that answers 200 when it is
	log     string

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
}

// Start runs the process and returns when it is ready.
func (c *child) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                  // the child has its own
	cmd := exec.Command(c.command[0], c.command[1:]...) //nolint:gosec,noctx // our own program; Close ends it
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(c.env, "TMPDIR="+os.TempDir())
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("the %s cannot be started: %w", c.what, err)
	}
	c.cmd, c.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) { _ = cmd.Wait(); close(ended) }(c.ended)
	return c.await(ctx)
}

const (
	readyWithin = 15 * time.Second
	readyEvery  = 10 * time.Millisecond
)

func (c *child) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	address := strings.TrimPrefix(c.ready, "http://")
	host, path, _ := strings.Cut(address, "/")
	door := newControl(host)
	defer door.close()
	for {
		if door.ask(ctx, "GET", "/"+path, nil, nil) == nil {
			return nil
		}
		select {
		case <-c.ended:
			text, _ := os.ReadFile(c.log)
			return fmt.Errorf("the %s ended at once and said: %s", c.what, text)
		case <-ctx.Done():
			return fmt.Errorf("the %s was not ready in time: %w", c.what, context.Cause(ctx))
		case <-time.After(readyEvery):
		}
	}
}

// Kill ends the process as kill -9 does, and waits until it is gone.
func (c *child) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return nil
	}
	err := c.cmd.Process.Kill()
	<-c.ended
	_ = c.stdin.Close()
	c.cmd = nil
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
