package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"captchagate/loadtest"
	"captchagate/loadtest/scenario"
)

// play is one run as the command line asks for it.
type play struct {
	scenario, html, json        string
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
	if err := writable(p.html, p.json); err != nil {
		return err
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
	if err := p.write(out, result); err != nil {
		return err
	}
	if !result.Passed {
		return errMissed
	}
	return nil
}

// write writes the run's files.
func (p *play) write(out io.Writer, r loadtest.Run) error {
	if err := toFile(p.json, r.WriteJSON); err != nil {
		return err
	}
	if err := writeReport(p.html, r); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nwritten: %s, %s, %s\n", p.html, markdownBeside(p.html), p.json)
	return nil
}

// writable finds out before the run whether its files can be written after it.
func writable(html, json string) error {
	if md := markdownBeside(html); html == md || json == html || json == md {
		return fmt.Errorf("%w: the page (%s), its Markdown (%s) and the JSON (%s) need names of their own", errUsage, html, md, json)
	}
	for _, path := range []string{html, json} {
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			return fmt.Errorf("%w: %s cannot be written; its folder must exist", errUsage, path)
		}
	}
	return nil
}

// markdownBeside is the same name with another end.
func markdownBeside(html string) string {
	return strings.TrimSuffix(html, filepath.Ext(html)) + ".md"
}

func toFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close() // the first error says more
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return file.Close()
}

// isTerminal reports whether somebody looks: then what is shown may be drawn
// over.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
