// Command profiled is "gateway serve" that writes a CPU profile of its whole
// run when it ends.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"captchagate/config"
	"captchagate/gateway"
)

func main() {
	path := flag.String("config", "", "configuration file")
	out := flag.String("cpuprofile", "cpu.pprof", "where the profile goes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *path, *out); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path, out string) error {
	cfg, err := config.Load(path, os.Environ())
	if err != nil {
		return err
	}
	g, err := gateway.New(ctx, cfg, nil, nil, gateway.NewLogger(os.Stderr, cfg.Log))
	if err != nil {
		return err
	}
	defer g.Close()
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return g.Run(ctx, nil)
}
