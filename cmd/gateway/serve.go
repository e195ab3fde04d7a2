package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"captchagate/config"
	"captchagate/gateway"
)

func newServe() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the gateway",
		Long: `serve runs the gateway of a configuration file. Logs go to standard error.

SIGTERM and SIGINT drain: requests in flight end, for 10 s at most.
SIGHUP loads scenes, api_keys, disaster_tickets and challenge.secret again; a
file with mistakes changes nothing.`,
		Example: "  gateway serve --config configs/gateway.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := func() (config.Config, error) { return config.Load(path, os.Environ()) }
			return serve(cmd.Context(), load)
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// configFlag adds --config, which is all that the command takes.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "config", "", "configuration `FILE` (required)")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("%w: nothing is known to do with %q; a configuration file goes behind --config", errUsage, args[0])
		}
		return nil
	}
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *path == "" {
			return fmt.Errorf("%w: say which configuration file with --config FILE", errUsage)
		}
		return nil
	}
}

func serve(ctx context.Context, load func() (config.Config, error)) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // first of all: until then the signal ends the process
	defer signal.Stop(hup)
	cfg, err := load()
	if err != nil {
		return err
	}
	gateway.TuneGC()
	log := gateway.NewLogger(os.Stderr, cfg.Log)
	g, err := gateway.New(ctx, cfg, nil, load, log)
	if err != nil {
		return err
	}
	defer g.Close()
	go reloads(ctx, g, hup)
	return g.Run(ctx, func(listen, admin string) {
		log.Info("ready", "listen", listen, "admin", admin, "version", gateway.Version(), "pid", os.Getpid())
	})
}

// reloads loads the configuration again at each signal.
func reloads(ctx context.Context, g *gateway.Gateway, hup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			_ = g.Reload(ctx) // what comes of it is in the log and the audit
		}
	}
}

func newCheck() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Check a configuration and print what it amounts to",
		Long: `check prints the effective configuration as YAML: your file over the defaults,
overridden by GATEWAY__SECTION__KEY from the environment, secrets as [redacted].
Where something is wrong it lists every mistake as "file:line: key: what to do"
and ends with 2. What is only odd, such as a short key, it says in the same form
on standard error, and ends with 0.`,
		Example: "  gateway check --config configs/gateway.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(path, os.Environ())
			if err != nil {
				return err
			}
			for _, odd := range cfg.Warnings() {
				fmt.Fprintln(cmd.ErrOrStderr(), odd)
			}
			text, err := cfg.YAML()
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), string(text))
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}
