package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"captchagate/config"
	"captchagate/gateway"
	"captchagate/loadtest"
	"captchagate/simulator"
)

// Gateway and simulator are this program again, in processes of their own, so
// that one can be killed and neither shares a runtime with what measures them.

func ownCommands() (loadtest.Commands, error) {
	self, err := os.Executable()
	return loadtest.Commands{Gateway: []string{self, "run-gateway"}, Simulator: []string{self, "run-simulator"}}, err
}

// untilOrphaned ends with the standard input: who started this process holds
// the other end, and lets go of it however it dies. Nothing else ends it: Ctrl-C
// reaches this process too, and is for the other one, which still has to ask
// how things stand.
func untilOrphaned(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end too
		cancel()
	}()
	return ctx, cancel
}

func newGateway() *cobra.Command {
	return &cobra.Command{
		Use: "run-gateway FILE", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := untilOrphaned(cmd.Context())
			defer cancel()
			cfg, err := config.Load(args[0], os.Environ())
			if err != nil {
				return err
			}
			gateway.TuneGC()
			g, err := gateway.New(ctx, cfg, nil, nil, gateway.NewLogger(os.Stderr, cfg.Log))
			if err != nil {
				return err
			}
			defer g.Close()
			return g.Run(ctx, nil)
		},
	}
}

func newSimulator() *cobra.Command {
	var cfg simulator.Config
	var listen string
	var apps []string
	cmd := &cobra.Command{
		Use: "run-simulator", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := untilOrphaned(cmd.Context())
			defer cancel()
			if cfg.Latency == 0 {
				cfg.Latency = simulator.NoLatency
			}
			cfg.Apps = map[uint64]string{}
			for _, one := range apps {
				text, key, _ := strings.Cut(one, "=")
				id, err := strconv.ParseUint(text, 10, 64)
				if err != nil {
					return err
				}
				cfg.Apps[id] = key
			}
			cfg.Log = slog.New(slog.DiscardHandler)
			return simulator.New(cfg).Serve(ctx, listen, nil)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:0", "")
	f.DurationVar(&cfg.Latency, "latency", 20*time.Millisecond, "")
	f.DurationVar(&cfg.Jitter, "jitter", 0, "")
	f.Float64Var(&cfg.Capacity, "capacity", 0, "")
	f.Uint64Var(&cfg.Seed, "seed", 1, "")
	f.StringArrayVar(&apps, "app", nil, "")
	return cmd
}
