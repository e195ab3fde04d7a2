// Command compare measures captchagate against the gateway that somebody writes
// in an afternoon, side by side on this machine: CPU, throughput, latency,
// connections (P1 to P3), and degraded answers against a handler that returns a
// constant (P5), our doors for backends against each other (P6), and traces on against off (P7). Rounds of both
// alternate, so that noise meets both alike.
//
// Run it in the folder bench: go run ./cmd/compare. With --fleet it compares captchagate
// as one of three instances of a fleet against captchagate alone (P1 to P3).
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"captchagate/bench/rig"
)

type options struct {
	product string
	rounds  int
	length  time.Duration
	only    string
	fleet   bool
	profile string
	conns   int
	scene   string
}

func main() {
	var o options
	flag.StringVar(&o.product, "product", "..", "folder of the product's module")
	flag.IntVar(&o.rounds, "rounds", 4, "rounds of each side")
	flag.DurationVar(&o.length, "round", 3*time.Second, "length of a round")
	flag.StringVar(&o.only, "only", "", "letters of the parts to run: s simulator, l light API, o one connection, m many connections, d degraded, b the other doors for backends, t traces; empty = all")
	flag.BoolVar(&o.fleet, "fleet", false, "compare ours as one of three instances of a fleet against ours alone; redis-server must be on PATH")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of ours under the load of P1 to this file, and measure nothing")
	flag.IntVar(&o.conns, "conns", busy, "connections of the load that is profiled")
	flag.StringVar(&o.scene, "scene", "", "profile degraded answers of this scene (default, allow or deny) instead of verified ones")
	jsonFile := flag.String("json", "", "write the table as JSON to this file")
	assert := flag.Bool("assert", false, "end with 1 where a target is missed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	rows, err := run(ctx, o)
	if err == nil && *jsonFile != "" {
		err = writeJSON(*jsonFile, rows)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
	if o.profile != "" {
		return
	}
	if missed := printTable(os.Stdout, rows, o.names()); *assert && missed > 0 {
		fmt.Fprintln(os.Stderr, "compare:", missed, "targets missed")
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) ([]row, error) {
	r, err := rig.New(ctx, o.product, ".")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if o.profile != "" {
		return nil, takeProfile(ctx, r, o)
	}
	fmt.Fprintln(os.Stderr, "load average before:", rig.Load())
	var rows []row
	for i, part := range parts {
		if !o.wants(part.letter) || o.fleet && !part.fleet {
			continue
		}
		fmt.Fprintln(os.Stderr, part.name, "…")
		more, err := part.run(ctx, &stage{rig: r, o: o, n: 100 * i})
		r.StopAll()
		if err != nil {
			return rows, fmt.Errorf("%s: %w", part.name, err)
		}
		rows = append(rows, more...)
	}
	fmt.Fprintln(os.Stderr, "load average after:", rig.Load())
	return rows, nil
}

// names are those of ours and of what it is compared with.
func (o options) names() [2]string {
	if o.fleet {
		return [2]string{"in a fleet", "alone"}
	}
	return [2]string{"ours", "theirs"}
}

func (o options) wants(letter byte) bool {
	if o.only == "" {
		return true
	}
	for i := range len(o.only) {
		if o.only[i] == letter {
			return true
		}
	}
	return false
}

func writeJSON(file string, rows []row) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // a report, for all to read
}
