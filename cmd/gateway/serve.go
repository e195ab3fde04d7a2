package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
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

SIGTERM and SIGINT end it: /readyz says 503 and all goes on for shutdown.delay, then
requests in flight end, for shutdown.timeout at most.
SIGHUP loads scenes, api_keys, disaster_tickets, challenge.secret and the keys of
upstream and drop_in again; a file with mistakes changes nothing.`,
		Example: "  gateway serve --config configs/gateway.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), path)
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

func serve(ctx context.Context, path string) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // first of all: until then the signal ends the process
	defer signal.Stop(hup)
	cfg, err := config.Load(path, os.Environ())
	if err != nil {
		return err
	}
	if err := gateway.TryListen(ctx, cfg); err != nil {
		return err
	}
	defer gateway.TuneGC(memlimit.FromCgroup)()
	lines := gateway.NewLogWriter(os.Stderr)
	defer lines.Close() // last of all
	log := gateway.NewLogger(lines, cfg.Log)
	again := func() (config.Config, error) { return config.LoadSettled(ctx, path, os.Environ()) }
	g, err := gateway.New(ctx, cfg, nil, again, log)
	if err != nil {
		return err
	}
	defer g.Close()
	go reloads(ctx, g, hup)
	return g.Run(ctx, func(listen, admin string) {
		dashboard := cmp.Or(cfg.Admin.PublicURL, cfg.Admin.TLS.URL(admin))
		about := []any{"listen", listen, "admin", admin, "dashboard", dashboard, "version", gateway.Version(), "pid", os.Getpid()}
		if id := g.Instance(); id != "" {
			about = append(about, "instance", id)
		}
		log.Info("ready", about...)
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
