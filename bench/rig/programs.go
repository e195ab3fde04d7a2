package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"captchagate/admin"
	"captchagate/simulator"
)

// config is the gateway's: the defaults, an account, and a scene for each
// action with budgets that nothing here uses up.
const config = `listen: %s
admin:
  listen: %s
  %s
upstream:
  endpoint: http://%s
  secret_id: %s
  secret_key: %s
  apps:
    - {captcha_app_id: %d, app_secret_key: %s}
scenes:
  default: {degraded: challenge}
  allow:
    degraded: allow
    budget: {total: 1000000/s, for: 24h}
  deny: {degraded: deny}
  login: {degraded: challenge}
  comment:
    degraded: allow
    budget: {total: 1000000/s, for: 24h}
    over_budget: challenge
  payment: {degraded: deny}
script_probe: {url: ""}
log: {level: error}
drop_in: {scene: login}
store:
  path: %s
`

// fleetConfig is what an instance of a fleet has besides, in its section store and after it.
const fleetConfig = `  redis: redis://%s/0
  secret: %s
challenge: {secret: %s}
`

// operator is the token of operators of a fleet, fleetSecret what its instances share.
const (
	operator    = "benchmark-operator"
	fleetSecret = "the-secret-of-the-benchmark"
)

// StartGateway runs ours over the API at the address. program is Gateway or
// Profiled.
func (r *Rig) StartGateway(ctx context.Context, program, api string, more ...string) (*Process, error) {
	token := admin.Config{File: r.name(Gateway) + ".token"}
	p, err := r.startOurs(ctx, program, api, "token_file: "+token.File, "", more)
	if err != nil {
		return p, err
	}
	p.Token, err = token.FileToken()
	return p, err
}

// StartTraced runs ours as StartGateway does, sending traces to a collector at the address.
func (r *Rig) StartTraced(ctx context.Context, api, collector string) (*Process, error) {
	rest := fmt.Sprintf("telemetry: {otlp_endpoint: \"http://%s\"}\n", collector)
	return r.startOurs(ctx, Gateway, api, "token_file: "+r.name(Gateway)+".token", rest, nil)
}

// StartFleet runs ours as StartGateway does, as one of three instances of a fleet. The
// others have nothing to do but to beat. Their Redis, which is found on PATH, is the
// fleet's own.
func (r *Rig) StartFleet(ctx context.Context, program, api string, more ...string) (*Process, error) {
	redis, err := r.startRedis(ctx)
	if err != nil {
		return nil, err
	}
	operators := fmt.Sprintf("tokens: [{name: bench, role: operator, token: %s}]", operator)
	rest := fmt.Sprintf(fleetConfig, redis.Addr, fleetSecret, fleetSecret)
	for range 2 {
		if _, err := r.startOurs(ctx, Gateway, api, operators, rest, nil); err != nil {
			return nil, err
		}
	}
	p, err := r.startOurs(ctx, program, api, operators, rest, more)
	if err != nil {
		return p, err
	}
	p.Token = operator
	return p, p.awaitFleet(ctx, 3)
}

func (r *Rig) name(program string) string {
	return filepath.Join(r.Folder, fmt.Sprintf("%s-%d", program, len(r.running)))
}

// startOurs runs ours with operators in the section admin, and rest after the store's path.
func (r *Rig) startOurs(ctx context.Context, program, api, operators, rest string, more []string) (*Process, error) {
	listen, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	operate, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	name := r.name(Gateway)
	text := fmt.Sprintf(config, listen, operate, operators, api, simulator.DefaultSecretID, simulator.DefaultSecretKey,
		simulator.DefaultAppID, simulator.DefaultAppSecretKey, name+".db") + rest
	if err := os.WriteFile(name+".yaml", []byte(text), 0o600); err != nil {
		return nil, err
	}
	args := append([]string{"--config", name + ".yaml"}, more...)
	if program == Gateway {
		args = append([]string{"serve"}, args...)
	}
	p, err := r.Start(ctx, program, listen, args...)
	if err == nil {
		p.Admin = operate
	}
	return p, err
}

// StartSimple runs the 60 lines over the API at the address.
func (r *Rig) StartSimple(ctx context.Context, api string) (*Process, error) {
	return r.startAt(ctx, Simple, "--endpoint", api)
}

// StartConstant runs the constant handler.
func (r *Rig) StartConstant(ctx context.Context) (*Process, error) {
	return r.startAt(ctx, Constant)
}

// StartAPI runs Simulator or LightAPI, which answer after the latency ("5ms").
func (r *Rig) StartAPI(ctx context.Context, program, latency string) (*Process, error) {
	args := []string{"--latency", latency}
	if program == Simulator {
		args = append(args, "--jitter", "0")
	}
	return r.startAt(ctx, program, args...)
}

func (r *Rig) startAt(ctx context.Context, program string, args ...string) (*Process, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	return r.Start(ctx, program, addr, append([]string{"--listen", addr}, args...)...)
}
