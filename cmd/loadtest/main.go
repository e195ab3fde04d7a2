// Command loadtest plays an outage of the Captcha API against a gateway and
// tells what its users got.
//
// Exit codes: 0 every objective was met, 1 one was missed, the rate was not
// kept or the run ended early, 2 wrong usage or a scenario with mistakes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"captchagate/gateway"
	"captchagate/loadtest"
	"captchagate/strictyaml"
)

func main() { os.Exit(run(os.Args[1:])) }

// errUsage marks what is wrong with the command line; errMissed says that the
// run went well and what it showed did not.
var (
	errUsage  = errors.New("usage")
	errMissed = errors.New("missed")
)

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	ran := false
	root.PersistentPreRun = func(*cobra.Command, []string) { ran = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if errors.Is(err, errMissed) {
		return 1
	}
	if mistakes, ok := errors.AsType[strictyaml.Mistakes](err); ok {
		fmt.Fprintln(os.Stderr, mistakes)
		return 2
	}
	fmt.Fprintln(os.Stderr, "loadtest:", strings.ReplaceAll(err.Error(), "usage: ", ""))
	if !ran || errors.Is(err, errUsage) || errors.Is(err, loadtest.ErrScenario) {
		fmt.Fprintf(os.Stderr, "Run \"%s --help\" to see what there is.\n", cmd.CommandPath())
		return 2
	}
	return 1
}

func newRoot() *cobra.Command {
	var p play
	root := &cobra.Command{
		Use:   "loadtest --scenario FILE",
		Short: "Play an outage of the Captcha API against a gateway",
		Long: `loadtest sends traffic as a scenario says, breaks the simulated Captcha API
meanwhile, and tells what users got: a page to look at (--html), the same as
Markdown beside it, and all of it as JSON (--json).

It starts a gateway and a simulator of its own, on free ports of this machine.
With --target it drives gateways that run already; each needs a simulator of its
own, because its calls are counted, and is asked for its circuit where
--target-admin says how. Nothing beyond loopback is ever reached.

It ends with 0 where every objective of the scenario was met, with 1 where one
was missed, where it could not keep its own rate, or where Ctrl-C ended it early
(what was until then is written all the same), and with 2 where the command line
or the scenario is wrong.`,
		Example: `  loadtest --scenario configs/scenarios/hang.yaml
  loadtest --scenario configs/scenarios/brownout-30.yaml --html brownout.html --json brownout.json
  loadtest --scenario configs/scenarios/hang.yaml \
    --target ours=http://127.0.0.1:8080 --target-admin ours=http://127.0.0.1:8081 --simulator ours=http://127.0.0.1:8082 \
    --target theirs=http://127.0.0.1:9080 --simulator theirs=http://127.0.0.1:9082
  loadtest compare before.json after.json --html both.html`,
		Version:       gateway.Version(),
		Args:          noWords,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	f := root.Flags()
	f.StringVar(&p.scenario, "scenario", "", "`FILE` of what to play (required); samples are in configs/scenarios")
	f.StringVar(&p.files.HTML, "html", "loadtest.html", "write the page to this `FILE`, and Markdown beside it")
	f.StringVar(&p.files.JSON, "json", "loadtest.json", "write everything to this `FILE`")
	f.StringArrayVar(&p.targets, "target", nil, "a running gateway as `[NAME=]URL`, may be repeated")
	f.StringArrayVar(&p.admins, "target-admin", nil, "the operators' listener of a target, as `[NAME=]URL`")
	f.StringArrayVar(&p.simulators, "simulator", nil, "the simulator behind a target, as `[NAME=]URL`")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newCompare(), newGateway(), newSimulator(), newRedis())
	return root
}

func noWords(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: nothing is known to do with %q; a scenario goes behind --scenario", errUsage, args[0])
	}
	return nil
}
