package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"captchagate/loadtest"
)

// gateways are those of the flags.
func (p *play) gateways() ([]loadtest.Gateway, error) {
	targets, err := named("--target", p.targets)
	if err != nil {
		return nil, err
	}
	admins, err := named("--target-admin", p.admins)
	if err != nil {
		return nil, err
	}
	simulators, err := named("--simulator", p.simulators)
	if err != nil {
		return nil, err
	}
	token := os.Getenv("GATEWAY_ADMIN_TOKEN")
	var out []loadtest.Gateway
	taken := map[string]string{}
	for _, t := range targets {
		one := loadtest.Instance{Address: t.host, Admin: pick(admins, t.name), Token: token}
		g := loadtest.Gateway{Name: t.name, Instances: []loadtest.Instance{one}, Simulator: pick(simulators, t.name)}
		if g.Simulator == "" {
			return nil, fmt.Errorf("%w: %s needs the simulator behind it; add --simulator %s", errUsage, called(t.name), value(t.name))
		}
		if other := taken[g.Simulator]; other != "" {
			return nil, fmt.Errorf("%w: %s and %s share a simulator, and its calls could not be told apart; give each its own", errUsage, called(other), called(t.name))
		}
		taken[g.Simulator] = t.name
		out = append(out, g)
	}
	for _, one := range append(admins, simulators...) {
		if !has(targets, one.name) {
			return nil, fmt.Errorf("%w: http://%s is for %s, and there is none; add --target %s", errUsage, one.host, called(one.name), value(one.name))
		}
	}
	return out, nil
}

// A place is a flag's [NAME=]URL.
type place struct{ name, host string }

// unnamed is the name of a target that was given none.
const unnamed = "target"

// called is a target as one speaks of it.
func called(name string) string {
	if name == unnamed {
		return "the target"
	}
	return "the target " + name
}

// value is what a flag needs for a target.
func value(name string) string {
	if name == unnamed {
		return "URL"
	}
	return name + "=URL"
}

func named(flag string, values []string) ([]place, error) {
	var out []place
	for _, text := range values {
		name, address, found := strings.Cut(text, "=")
		if !found {
			name, address = unnamed, text
		}
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" || u.Host == "" || u.Path != "" && u.Path != "/" || name == "" {
			return nil, fmt.Errorf("%w: %s must be [NAME=]URL such as ours=http://127.0.0.1:8080, is %q", errUsage, flag, text)
		}
		if has(out, name) {
			return nil, fmt.Errorf("%w: %s is given twice for %s; name each differently, as NAME=URL", errUsage, flag, called(name))
		}
		host := u.Host
		if u.Hostname() == "localhost" {
			host = "127.0.0.1:" + u.Port()
		}
		out = append(out, place{name, host})
	}
	return out, nil
}

func pick(places []place, name string) string {
	for _, p := range places {
		if p.name == name {
			return p.host
		}
	}
	return ""
}

func has(places []place, name string) bool { return pick(places, name) != "" }
