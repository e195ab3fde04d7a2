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
  token_file: %s
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
store:
  path: %s
log: {level: error}
`

// StartGateway runs ours over the API at the address. program is Gateway or
// Profiled.
func (r *Rig) StartGateway(ctx context.Context, program, api string, more ...string) (*Process, error) {
	listen, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	operators, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	name := filepath.Join(r.Folder, fmt.Sprintf("gateway-%d", len(r.running)))
	token := admin.Config{File: name + ".token"}
	text := fmt.Sprintf(config, listen, operators, token.File, api, simulator.DefaultSecretID, simulator.DefaultSecretKey,
		simulator.DefaultAppID, simulator.DefaultAppSecretKey, name+".db")
	if err := os.WriteFile(name+".yaml", []byte(text), 0o600); err != nil {
		return nil, err
	}
	args := append([]string{"--config", name + ".yaml"}, more...)
	if program == Gateway {
		args = append([]string{"serve"}, args...)
	}
	p, err := r.Start(ctx, program, listen, args...)
	if err != nil {
		return p, err
	}
	p.Admin = operators
	p.Token, err = token.FileToken()
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
