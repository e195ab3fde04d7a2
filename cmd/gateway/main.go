// Command gateway stands between a business's backends and Tencent Cloud's
// Captcha, so that an outage there neither locks everybody out nor lets every
// bot in.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"captchagate/admin"
	"captchagate/api"
	"captchagate/gateway"
	"captchagate/strictyaml"
)

func main() { os.Exit(run(os.Args[1:])) }

// errUsage marks what is wrong with the command line or the configuration.
var errUsage = errors.New("usage")

// run returns the exit code: 0 fine, 1 failed at run time, 2 wrong usage or
// configuration.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	ran := false
	root.PersistentPreRun = func(*cobra.Command, []string) { ran = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if mistakes, ok := errors.AsType[strictyaml.Mistakes](err); ok {
		fmt.Fprintln(os.Stderr, mistakes)
		return 2
	}
	fmt.Fprintln(os.Stderr, "gateway:", strings.TrimPrefix(err.Error(), "usage: "))
	if _, refused := errors.AsType[*api.Problem](err); refused && wrongUsage(err) {
		return 2 // the gateway has said what is wrong
	}
	if !ran || wrongUsage(err) {
		fmt.Fprintln(os.Stderr, `Run "gateway --help" or "gateway COMMAND --help" to see what there is.`)
		return 2
	}
	return 1
}

// wrongUsage reports whether the caller has to ask otherwise: this command found
// that, or the running gateway, which alone knows its scenes.
func wrongUsage(err error) bool {
	problem, refused := errors.AsType[*api.Problem](err)
	return errors.Is(err, errUsage) || errors.Is(err, admin.ErrAddress) || refused && (problem.Status == http.StatusBadRequest || problem.Status == http.StatusUnprocessableEntity)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "gateway",
		Short: "A gateway in front of Tencent Cloud's Captcha that survives its outages",
		Long: `gateway answers a business backend's question "is this captcha ticket good?".

While the Captcha API works it asks there. When it does not, a circuit breaker
opens and every scene does what you chose for it: let through within a budget,
ask for an alternate challenge, or deny. It recovers by itself.

To see all of it on this machine, without configuration:  gateway demo`,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       gateway.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newDemo(), newServe(), newCheck(), newMode(), newStatus(), newIncidents(), newSLA(), newWho(), newReload(), newAlarms(), newReady(), newVersion(), newDemoProcess())
	return root
}

// noCommand refuses what is no command.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if meant := strictyaml.Nearest(args[0], names); meant != "" {
		return fmt.Errorf("%w: there is no command %q; did you mean %s?", errUsage, args[0], meant)
	}
	return fmt.Errorf("%w: there is no command %q; there are %s", errUsage, args[0], strings.Join(names, ", "))
}

// flagError has a length of time that is none corrected in words of this
// program, not of Go.
func flagError(_ *cobra.Command, err error) error {
	if what, _, ok := strings.Cut(err.Error(), ": time: "); ok {
		return fmt.Errorf("%s: it is no time; write for instance 30s or 5m", what)
	}
	return err
}
