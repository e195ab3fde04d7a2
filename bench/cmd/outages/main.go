// Command outages breaks the simulated Captcha API in every way that is an
// outage, under steady traffic, and tells what users of captchagate and of the
// gateway that somebody writes in an afternoon get meanwhile. Real processes,
// real sockets, this machine only.
//
// Run it in the folder bench: go run ./cmd/outages --kinds hang,refuse
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"captchagate/bench/rig"
	"captchagate/simulator"
)

// outages are the kinds of fault in which nobody can verify.
var outages = []simulator.Kind{
	simulator.Hang, simulator.Slow, simulator.InternalError, simulator.CaptchaCode26, simulator.HTTP502,
	simulator.Reset, simulator.Refuse, simulator.Garbage, simulator.Empty, simulator.HalfBody,
}

// A plan is how each kind is run.
type plan struct {
	rate                   int
	healthy, fault, healed time.Duration
	caller                 time.Duration
	scene                  string
	latency                time.Duration
	apart                  bool
}

func main() {
	var p plan
	product := flag.String("product", "..", "folder of the product's module")
	kinds := flag.String("kinds", "", "kinds of fault, with commas; empty = all outages")
	only := flag.String("only", "", "ours or simple; empty = both")
	jsonFile := flag.String("json", "", "write the results as JSON to this file")
	flag.IntVar(&p.rate, "rate", 500, "requests a second")
	flag.DurationVar(&p.healthy, "healthy", 10*time.Second, "before the fault")
	flag.DurationVar(&p.fault, "fault", 15*time.Second, "length of the fault")
	flag.DurationVar(&p.healed, "healed", 15*time.Second, "after the fault")
	flag.DurationVar(&p.caller, "caller", 10*time.Second, "when a caller gives up")
	flag.DurationVar(&p.latency, "latency", 20*time.Millisecond, "of the healthy API")
	flag.StringVar(&p.scene, "scene", "default", "default (challenge), allow or deny")
	flag.BoolVar(&p.apart, "apart", false, "run the two one after the other instead of at the same time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	results, err := run(ctx, p, *product, *kinds, *only)
	printTable(os.Stdout, results)
	if *jsonFile != "" {
		err = errors.Join(err, writeJSON(*jsonFile, results))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "outages:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

func run(ctx context.Context, p plan, product, kinds, only string) ([]result, error) {
	chosen := outages
	if kinds != "" {
		chosen = nil
		for k := range strings.SplitSeq(kinds, ",") {
			if !slices.Contains(simulator.Kinds(), simulator.Kind(k)) {
				return nil, fmt.Errorf("--kinds: %q is not a kind of fault; kinds are %v", k, simulator.Kinds())
			}
			chosen = append(chosen, simulator.Kind(k))
		}
	}
	r, err := rig.New(ctx, product, ".")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var results []result
	for _, k := range chosen {
		fmt.Fprintf(os.Stderr, "%s … (load average %s)\n", k, rig.Load())
		more, err := p.outage(ctx, r, k, only)
		results = append(results, more...)
		if err != nil {
			return results, fmt.Errorf("%s: %w", k, err)
		}
	}
	return results, nil
}

func writeJSON(file string, results []result) error {
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // a report, for all to read
}
