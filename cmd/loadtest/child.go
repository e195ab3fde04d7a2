package main

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
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
	return loadtest.Commands{
		Gateway: []string{self, "run-gateway"}, Simulator: []string{self, "run-simulator"}, Redis: []string{self, "run-redis"},
	}, err
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
	var resolver string
	cmd := &cobra.Command{
		Use: "run-gateway FILE", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := untilOrphaned(cmd.Context())
			defer cancel()
			cfg, err := config.Load(args[0], os.Environ())
			if err != nil {
				return err
			}
			if resolver != "" {
				resolveAt(resolver)
			}
			defer gateway.TuneGC(memlimit.FromCgroup)()
			g, err := gateway.New(ctx, cfg, nil, nil, gateway.NewLogger(os.Stderr, cfg.Log))
			if err != nil {
				return err
			}
			defer g.Close()
			return g.Run(ctx, nil)
		},
	}
	cmd.Flags().StringVar(&resolver, "resolver", "", "")
	return cmd
}

// resolveAt has this process ask the resolver at that address, and no other,
// for every name.
func resolveAt(address string) {
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", address)
	}
}

func newSimulator() *cobra.Command {
	var cfg simulator.Config
	var listen string
	var apps []string
	var way wayFlags
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
			return way.serve(ctx, cfg, listen)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:0", "")
	f.DurationVar(&cfg.Latency, "latency", 20*time.Millisecond, "")
	f.DurationVar(&cfg.Jitter, "jitter", 0, "")
	f.Float64Var(&cfg.Capacity, "capacity", 0, "")
	f.Uint64Var(&cfg.Seed, "seed", 1, "")
	f.StringArrayVar(&apps, "app", nil, "")
	f.DurationVar(&cfg.RoundTrip, "round-trip", 0, "")
	f.DurationVar(&cfg.IdleClose, "idle-close", 0, "")
	f.StringArrayVar(&way.api, "api", nil, "")
	f.StringVar(&way.names, "names", "", "")
	f.StringVar(&way.tls, "tls", "", "")
	f.StringVar(&way.certificate, "certificate", "", "")
	f.StringVar(&way.key, "key", "", "")
	return cmd
}

// newRedis runs a server that knows nothing of who started it, and ends it in time.
func newRedis() *cobra.Command {
	return &cobra.Command{
		Use: "run-redis PROGRAM [FLAG...]", Hidden: true, Args: cobra.MinimumNArgs(1), DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := untilOrphaned(cmd.Context())
			defer cancel()
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP) // what a group gets that was stopped and is orphaned
			defer stop()
			server := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // what the load test asks for
			server.Stdout, server.Stderr = os.Stdout, os.Stderr
			return server.Run()
		},
	}
}

// wayFlags say how the simulator is reached, if it is behind a name: then the
// address to listen on is that of its controls.
type wayFlags struct {
	api                          []string
	names, tls, certificate, key string
}

func (w wayFlags) serve(ctx context.Context, cfg simulator.Config, controls string) error {
	if len(w.api) == 0 {
		return simulator.New(cfg).Serve(ctx, controls, nil)
	}
	if w.tls != "" {
		pair, err := tls.LoadX509KeyPair(w.certificate, w.key)
		if err != nil {
			return err
		}
		version := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[w.tls]
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: version, MaxVersion: version, SessionTicketsDisabled: true}
	}
	s := simulator.New(cfg)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(w.api)+2)
	for _, address := range w.api { // one after the other, for their numbers
		ready := make(chan string, 1)
		go func() { ended <- s.Serve(ctx, address, func(at string) { ready <- at }) }()
		select {
		case <-ready:
		case err := <-ended:
			return err
		}
	}
	go func() { ended <- s.ServeNames(ctx, w.names, nil) }()
	go func() { ended <- s.ServeControls(ctx, controls, nil) }()
	return <-ended
}
