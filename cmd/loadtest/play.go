package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"captchagate/loadtest"
	"captchagate/loadtest/scenario"
)

// play is one run as the command line asks for it.
type play struct {
	scenario, html, json        string
	targets, admins, simulators []string
}

func (p *play) run(ctx context.Context, out io.Writer) error {
	if p.scenario == "" {
		return fmt.Errorf("%w: say what to play with --scenario FILE; samples are in configs/scenarios", errUsage)
	}
	s, err := scenario.Load(p.scenario)
	if err != nil {
		return err
	}
	if err := writable(p.html, p.json); err != nil {
		return err
	}
	gateways, err := p.gateways()
	if err != nil {
		return err
	}
	if len(gateways) == 0 {
		commands, err := ownCommands()
		if err != nil {
			return err
		}
		if err := loadtest.CheckGateway(s); err != nil {
			return err
		}
		stage, err := loadtest.Open(ctx, s, commands)
		if err != nil {
			return err
		}
		defer stage.Close()
		gateways = append(gateways, stage.Gateway())
	}
	screen := loadtest.NewScreen(os.Stderr, isTerminal(os.Stderr))
	screen.Begin(s)
	result, err := loadtest.Play(ctx, s, gateways, screen.Show)
	screen.End()
	if err != nil {
		return err
	}
	loadtest.Summarize(out, result)
	if err := p.write(out, result); err != nil {
		return err
	}
	if !result.Passed {
		return errMissed
	}
	return nil
}

// write writes the run's files.
func (p *play) write(out io.Writer, r loadtest.Run) error {
	if err := toFile(p.json, r.WriteJSON); err != nil {
		return err
	}
	if err := writeReport(p.html, r); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nwritten: %s, %s, %s\n", p.html, markdownBeside(p.html), p.json)
	return nil
}

// writable finds out before the run whether its files can be written after it.
func writable(html, json string) error {
	if md := markdownBeside(html); html == md || json == html || json == md {
		return fmt.Errorf("%w: the page (%s), its Markdown (%s) and the JSON (%s) need names of their own", errUsage, html, md, json)
	}
	for _, path := range []string{html, json} {
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			return fmt.Errorf("%w: %s cannot be written; its folder must exist", errUsage, path)
		}
	}
	return nil
}

// markdownBeside is the same name with another end.
func markdownBeside(html string) string {
	return strings.TrimSuffix(html, filepath.Ext(html)) + ".md"
}

func toFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close() // the first error says more
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return file.Close()
}

// isTerminal reports whether somebody looks: then what is shown may be drawn
// over.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

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
	var out []loadtest.Gateway
	taken := map[string]string{}
	for _, t := range targets {
		g := loadtest.Gateway{Name: t.name, Address: t.host, Admin: pick(admins, t.name), Token: os.Getenv("GATEWAY_ADMIN_TOKEN"), Simulator: pick(simulators, t.name)}
		if g.Simulator == "" {
			return nil, fmt.Errorf("%w: the target %s needs the simulator behind it; add --simulator %s=URL", errUsage, t.name, t.name)
		}
		if other := taken[g.Simulator]; other != "" {
			return nil, fmt.Errorf("%w: %s and %s share a simulator, and its calls could not be told apart; give each its own", errUsage, other, t.name)
		}
		taken[g.Simulator] = t.name
		out = append(out, g)
	}
	for _, one := range append(admins, simulators...) {
		if !has(targets, one.name) {
			return nil, fmt.Errorf("%w: there is no --target %s for http://%s", errUsage, one.name, one.host)
		}
	}
	return out, nil
}

// A place is a flag's [NAME=]URL.
type place struct{ name, host string }

func named(flag string, values []string) ([]place, error) {
	var out []place
	for _, text := range values {
		name, address, found := strings.Cut(text, "=")
		if !found {
			name, address = "target", text
		}
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" || u.Host == "" || u.Path != "" && u.Path != "/" || name == "" {
			return nil, fmt.Errorf("%w: %s must be [NAME=]URL such as ours=http://127.0.0.1:8080, is %q", errUsage, flag, text)
		}
		if has(out, name) {
			return nil, fmt.Errorf("%w: %s is given twice for %s; name each differently", errUsage, flag, name)
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
