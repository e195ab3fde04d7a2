// Command outages plays every way in which the Captcha API fails against
// captchagate, the gateway that somebody writes in an afternoon, and backends
// behind HAProxy and nginx, all at once and each with an API of its own. It
// writes the load test's report and prints a table. Real processes, real
// sockets, this machine only.
//
// Run it in the folder bench: go run ./cmd/outages --kinds hang,refuse
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"captchagate/bench/rig"
	"captchagate/loadtest"
	"captchagate/loadtest/report"
	"captchagate/loadtest/scenario"
	"captchagate/simulator"
)

// outages are the kinds of fault in which nobody can verify.
var outages = []simulator.Kind{
	simulator.Hang, simulator.Slow, simulator.InternalError, simulator.CaptchaCode26, simulator.HTTP502,
	simulator.Reset, simulator.Refuse, simulator.Garbage, simulator.Empty, simulator.HalfBody,
}

// candidates are who is compared.
var candidates = []string{"captchagate", "60-lines", "haproxy", "nginx"}

// A plan is how each kind is played.
type plan struct {
	rate                   int
	healthy, fault, healed time.Duration
	only                   []string
}

func main() {
	var p plan
	product := flag.String("product", "..", "folder of the product's module")
	kinds := flag.String("kinds", "", "kinds of fault, with commas; empty = all outages")
	only := flag.String("only", "", "who, with commas, of "+strings.Join(candidates, ", ")+"; empty = all")
	var f report.Files
	flag.StringVar(&f.HTML, "html", "outages.html", "write the report to this file, and Markdown beside it")
	flag.StringVar(&f.JSON, "json", "outages.json", `write everything to this file; "loadtest compare" reads it`)
	flag.IntVar(&p.rate, "rate", 150, "requests a second to each")
	flag.DurationVar(&p.healthy, "healthy", 6*time.Second, "before the fault")
	flag.DurationVar(&p.fault, "fault", 12*time.Second, "length of the fault")
	flag.DurationVar(&p.healed, "healed", 14*time.Second, "after the fault")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := p.all(ctx, *product, *kinds, *only, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "outages:", err)
		os.Exit(1)
	}
}

// all plays the kinds one after the other. What was played until an error is
// told all the same.
func (p plan) all(ctx context.Context, product, kinds, only string, to report.Files) error {
	chosen, err := pick("--kinds", kinds, outages)
	if err != nil {
		return err
	}
	if p.only, err = pick("--only", only, candidates); err != nil {
		return err
	}
	if err := to.Writable(); err != nil {
		return err
	}
	r, err := rig.New(ctx, product, ".")
	if err != nil {
		return err
	}
	defer r.Close()
	var runs []loadtest.Run
	for _, k := range chosen {
		fmt.Fprintf(os.Stderr, "%s … (load average %s)\n", k, rig.Load())
		run, err := p.outage(ctx, r, k)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", k, err), tell(to, runs))
		}
		runs = append(runs, run)
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("%s: ended early", k), tell(to, runs))
		}
	}
	return tell(to, runs)
}

// tell prints the table and writes the report.
func tell(to report.Files, runs []loadtest.Run) error {
	if len(runs) == 0 {
		return nil
	}
	printTable(os.Stdout, runs)
	return to.Write(runs...)
}

func pick[T ~string](name, given string, known []T) ([]T, error) {
	if given == "" {
		return known, nil
	}
	var out []T
	for one := range strings.SplitSeq(given, ",") {
		if !slices.Contains(known, T(one)) {
			return nil, fmt.Errorf("%s: %q is none of %v", name, one, known)
		}
		out = append(out, T(one))
	}
	return out, nil
}

// outage plays one kind of fault on fresh processes.
func (p plan) outage(ctx context.Context, r *rig.Rig, kind simulator.Kind) (loadtest.Run, error) {
	s, err := p.scenario(kind)
	if err != nil {
		return loadtest.Run{}, err
	}
	defer r.StopAll()
	var gateways []loadtest.Gateway
	for _, name := range p.only {
		g, err := start(ctx, r, name)
		if err != nil {
			return loadtest.Run{}, err
		}
		gateways = append(gateways, g)
	}
	return loadtest.Play(ctx, s, gateways, nil)
}

func start(ctx context.Context, r *rig.Rig, name string) (loadtest.Gateway, error) {
	api, err := r.StartAPI(ctx, rig.Simulator, "20ms")
	if err != nil {
		return loadtest.Gateway{}, err
	}
	var p *rig.Process
	switch name {
	case "captchagate":
		p, err = r.StartGateway(ctx, rig.Gateway, api.Addr)
	case "60-lines":
		p, err = r.StartSimple(ctx, api.Addr)
	default:
		p, err = r.StartProxied(ctx, name, api.Addr)
	}
	if err != nil {
		return loadtest.Gateway{}, err
	}
	one := loadtest.Instance{Address: p.Addr, Admin: p.Admin, Token: p.Token}
	return loadtest.Gateway{Name: name, Instances: []loadtest.Instance{one}, Simulator: api.Addr}, nil
}

func (p plan) scenario(kind simulator.Kind) (scenario.Scenario, error) {
	return scenario.Read("outages", fmt.Appendf(nil, `name: %[6]s
title: "The Captcha API fails: %[1]s"
about: The same outage for everybody, each with a Captcha API of its own.
users: {valid: 95, forged: 5}
phases:
  - {name: healthy, for: %[3]s, rate: %[2]d/s}
  - {name: outage, for: %[4]s, rate: %[2]d/s, fault: {kind: %[1]s}}
  - {name: after, for: %[5]s, rate: %[2]d/s}
objectives:
  - useful >= 100%%
  - good tickets rejected = 0
  - p99 during outage <= 300ms
  - first verified after recovery <= 1.5s
`, kind, p.rate, p.healthy, p.fault, p.healed, strings.ReplaceAll(string(kind), "_", "-")))
}

func printTable(w io.Writer, runs []loadtest.Run) {
	fmt.Fprintln(w, "| fault | gateway | useful in the outage | wrong in the whole run | p50 | p99 | fast again after | first full verdict | normal after | calls to the API in it |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, run := range runs {
		for _, t := range run.Targets {
			if len(t.Outages) == 0 { // ended before it began
				continue
			}
			o, healed := t.Outages[0], loadtest.WatchedAfter(t.Outages, 0, run.Seconds)
			fmt.Fprintf(w, "| %s | %s | %.2f %% | %d | %.1f ms | %.0f ms | %s | %s | %s | %d |\n", run.Scenario, t.Name,
				o.Useful, t.Total.Answers.Wrong, o.P50, o.P99, came(o.FastAfter, o.Until-o.From), came(o.VerifiedAfter, healed), came(o.NormalAfter, healed), o.APICalls)
		}
	}
	for _, run := range runs {
		for _, t := range run.Targets {
			if !t.Kept.OK {
				fmt.Fprintf(w, "\n%s, %s: the rate was not kept: %s\n", run.Scenario, t.Name, t.Kept.Why)
			}
		}
	}
}

// came writes when something did, or for how many seconds it was watched in vain.
func came(after, watched float64) string {
	switch {
	case after >= 0:
		return fmt.Sprintf("%.0f ms", 1000*after)
	case watched <= 0:
		return "not watched"
	}
	return fmt.Sprintf("not within %.3g s", watched)
}
