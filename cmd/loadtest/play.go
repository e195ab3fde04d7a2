package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"captchagate/loadtest"
	"captchagate/loadtest/report"
	"captchagate/loadtest/scenario"
)

// play is one run as the command line asks for it.
type play struct {
	scenario                    string
	files                       report.Files
	targets, admins, simulators []string
}

func (p *play) run(ctx context.Context, out io.Writer) error {
	if p.scenario == "" {
		return fmt.Errorf("%w: say what to play with --scenario FILE; samples are in configs/scenarios", errUsage)
	}
	s, err := scenario.Load(p.scenario)
	if err != nil {
		return err
	}
	if err := p.files.Writable(); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	gateways, err := p.gateways()
	if err != nil {
		return err
	}
	if len(gateways) == 0 {
		commands, err := ownCommands()
		if err != nil {
			return err
		}
		if err := loadtest.CheckGateway(s); err != nil {
			return err
		}
		stage, err := loadtest.Open(ctx, s, commands)
		if err != nil {
			return err
		}
		defer stage.Close()
		gateways = append(gateways, stage.Gateway())
	}
	screen := loadtest.NewScreen(os.Stderr, isTerminal(os.Stderr))
	begin := sync.OnceFunc(func() { screen.Begin(s) }) // what is refused does not begin
	result, err := loadtest.Play(ctx, s, gateways, func(p loadtest.Progress) {
		begin()
		screen.Show(p)
	})
	screen.End()
	if err != nil {
		return err
	}
	loadtest.Summarize(out, result)
	if err := p.files.Write(result); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nwritten: %s, %s, %s\n", p.files.HTML, p.files.Markdown(), p.files.JSON)
	if !result.Passed {
		return errMissed
	}
	return nil
}

// isTerminal reports whether somebody looks: then what is shown may be drawn
// over.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
