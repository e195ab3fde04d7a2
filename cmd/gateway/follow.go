package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"captchagate/admin"
	"captchagate/api"
)

// A follower shows how a gateway is as that changes.
type follower struct {
	client   *admin.Client
	out, err io.Writer
	show     func(admin.Status) error

	last  string // that was shown, where only changes are
	heard bool   // a status since the connection stands
	ever  bool   // one at all
}

const (
	clearScreen = "\x1b[H\x1b[2J\x1b[3J"
	// comeBack is how long a follower waits before it asks again.
	comeBack = time.Second
)

func newFollower(cmd *cobra.Command, client *admin.Client, asJSON bool) *follower {
	f := &follower{client: client, out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}
	switch {
	case asJSON:
		f.show = func(s admin.Status) error { return json.NewEncoder(f.out).Encode(s) }
	case isTerminal(f.out):
		f.show = f.draw
	default:
		f.show = f.line
	}
	return f
}

// isTerminal reports whether a person looks.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	is, err := file.Stat()
	return err == nil && is.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// run shows changes until ctx ends. Its error says that the gateway was not reached at all,
// or refuses.
func (f *follower) run(ctx context.Context) error {
	for {
		f.heard = false
		var failed error
		why := f.client.Listen(ctx, func(s admin.Status) { failed = errors.Join(failed, f.take(s)) })
		_, refused := errors.AsType[*api.Problem](why)
		switch {
		case ctx.Err() != nil:
			return nil // who ends it wanted that
		case failed != nil:
			return failed
		case refused || !f.ever:
			return why
		case f.heard:
			fmt.Fprintf(f.err, "%s connection lost: %s; trying again, and what was shown is old\n", now(), api.Printable(why.Error()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(comeBack):
		}
	}
}

func (f *follower) take(s admin.Status) error {
	if f.ever && !f.heard {
		fmt.Fprintln(f.err, now(), "connected again")
	}
	f.ever, f.heard = true, true
	return f.show(s)
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05Z") }

// draw draws the screen again.
func (f *follower) draw(s admin.Status) error {
	var text strings.Builder
	if err := admin.WriteStatus(&text, s); err != nil {
		return err
	}
	lines := strings.Split(text.String(), "\n")
	for i, line := range lines {
		lines[i] = api.Printable(line)
	}
	_, err := fmt.Fprintf(f.out, "%s%s\n%s as of %s; end it with Ctrl-C\n", clearScreen, strings.Join(lines, "\n"), api.Printable(f.client.URL), now())
	return err
}

// line prints what changed in a line: what the gateway decides by, and no counter.
func (f *follower) line(s admin.Status) error {
	parts := []string{"mode " + s.Mode}
	if o := s.Override; o != nil {
		parts[0] += fmt.Sprintf(" (forced %s by %s: %s)", o.Mode, o.Actor, o.Reason)
	}
	parts = append(parts, "circuit "+strings.ReplaceAll(s.Breaker.State, "_", " "))
	if s.Breaker.State != "closed" && s.Breaker.Evidence != "" {
		parts[1] += " (" + s.Breaker.Evidence + ")"
	}
	parts = append(parts, "account "+s.Account.State)
	for _, d := range s.Drills {
		parts = append(parts, "drill on "+d.Scene)
	}
	if !s.Store.Healthy {
		parts = append(parts, "store takes no writes")
	}
	if s.Fleet != nil {
		parts = append(parts, fmt.Sprintf("fleet %d alive %d ill, Redis %s", s.Fleet.Alive, s.Fleet.Ill, s.Fleet.Redis))
	}
	text := strings.Join(parts, ", ")
	if text == f.last {
		return nil
	}
	f.last = text
	_, err := fmt.Fprintln(f.out, now(), api.Printable(text))
	return err
}
