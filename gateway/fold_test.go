package gateway_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/gateway"
)

// inLog runs a story with a logger as the gateway's rooms have it; told returns the
// messages of what was written since it was last asked, each with "times", if it stands
// for others.
func inLog(t *testing.T, story func(log *slog.Logger, told func() string)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		var out journal
		seen := 0
		options := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.MessageKey || a.Key == "times" {
				return a
			}
			return slog.Attr{}
		}}
		log, end := gateway.Folding(slog.NewTextHandler(&out, options))
		story(log, func() string {
			synctest.Wait()
			text := out.String()[seen:]
			seen += len(text)
			return strings.TrimSpace(strings.NewReplacer("msg=", "", "times=", "x", "\n", ", ").Replace(text))
		})
		end()
	})
}

// What comes with each request is one line a minute, with how often it came.
func TestFolder_IsOneLineAMinuteOfWhatRepeats(t *testing.T) {
	inLog(t, func(log *slog.Logger, told func() string) {
		for i := range 597 { // two minutes
			log.Error("full", "scene", "comment", "error", fmt.Errorf("no space for %d", i))
			time.Sleep(201 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if got, want := told(), "full, full x298, full x298,"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		time.Sleep(2 * time.Minute)
		log.Error("full", "scene", "comment", "error", errors.New("again"))
		if got, want := told(), "full,"; got != want {
			t.Errorf("after some peace: %s, want %s", got, want)
		}
	})
}

// Lines that say something else are other lines, and what is no warning is left alone.
func TestFolder_LeavesAloneWhatDiffers(t *testing.T) {
	inLog(t, func(log *slog.Logger, told func() string) {
		for range 2 {
			for _, scene := range []string{"comment", "login"} {
				log.Error("full", "scene", scene)
				log.With("scene", scene).Warn("full")
				log.WithGroup(scene).Warn("full")
			}
			log.Info("decision")
		}
		if got := told(); strings.Count(got, "full") != 6 || strings.Count(got, "decision") != 2 {
			t.Errorf("%s", got)
		}
	})
}

// A state that ends soon is told at once, both times.
func TestFolder_TellsAStateAtOnce(t *testing.T) {
	inLog(t, func(log *slog.Logger, told func() string) {
		for i := range 3 {
			log.Warn("does not answer", "about", "webhook")
			time.Sleep(time.Minute)
			log.Info("answers again", "about", "webhook")
			if got, want := told(), "\"does not answer\", \"answers again\","; got != want {
				t.Errorf("time %d: %s, want %s", i, got, want)
			}
			time.Sleep(11 * time.Minute)
		}
	})
}

// One that comes and goes for hours is told as such: once an hour, and how it is when
// that is over.
func TestFolder_TellsStatesAndNotFlaps(t *testing.T) {
	inLog(t, func(log *slog.Logger, told func() string) {
		for range 3 * 60 { // hours
			log.Warn("does not answer", "about", "webhook")
			time.Sleep(30 * time.Second)
			log.Info("answers again", "about", "webhook")
			time.Sleep(30 * time.Second)
		}
		got := told()
		if n := strings.Count(got, ","); n < 4 || n > 5 || !strings.HasPrefix(got, "\"does not answer\", \"answers again\",") {
			t.Errorf("%d lines: %s", n, got)
		}
		time.Sleep(time.Hour)
		if got := told(); strings.Count(got, ",") != 1 || !strings.Contains(got, "answers again") || !strings.Contains(got, " x") {
			t.Errorf("in the end: %s", got)
		}
	})
}

// A state that turned bad again, and stays so, is told within a minute.
func TestFolder_HoldsNoBadStateBack(t *testing.T) {
	inLog(t, func(log *slog.Logger, told func() string) {
		log.Error("nobody can be verified", "about", "account")
		time.Sleep(30 * time.Second)
		log.Info("accepted again", "about", "account")
		time.Sleep(5 * time.Minute)
		log.Error("nobody can be verified", "about", "account")
		told()
		time.Sleep(time.Minute + time.Second)
		if got := told(); !strings.Contains(got, "nobody can be verified") {
			t.Errorf("a minute after it began: %q", got)
		}
	})
}

// What is held when the gateway ends is written then.
func TestFolder_LosesNothingAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out journal
		log, end := gateway.Folding(slog.NewTextHandler(&out, nil))
		log.Warn("full")
		log.Warn("full")
		end()
		log.Warn("full")
		if text := out.String(); strings.Count(text, "full") != 3 || strings.Count(text, "times=1") != 1 {
			t.Error(text)
		}
	})
}

// A crowd of different lines takes bounded room, and is written.
func TestFolder_IsBounded(t *testing.T) {
	inLog(t, func(log *slog.Logger, told func() string) {
		for i := range 3000 {
			log.Warn("odd", "n", i)
		}
		if n := strings.Count(told(), "odd"); n != 3000 {
			t.Errorf("%d lines of 3000 that differ", n)
		}
	})
}

// The last word about a state is how it is: a line of its beginning that came twice is
// not written after the one of its end.
func TestFolder_SaysLastHowAStateIs(t *testing.T) {
	inLog(t, func(log *slog.Logger, told func() string) {
		log.Warn("does not answer", "about", "webhook")
		log.Warn("does not answer", "about", "webhook", "error", "another")
		time.Sleep(time.Minute)
		log.Info("answers again", "about", "webhook")
		time.Sleep(2 * time.Hour)
		if got, want := told(), "\"does not answer\", \"answers again\","; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// What is held is written with the time of its writing, and with when the first of the lines
// came that it stands for.
func TestFolder_SaysSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out journal
		log, end := gateway.Folding(slog.NewTextHandler(&out, nil))
		log.Warn("full")
		began := time.Now()
		time.Sleep(10 * time.Second)
		log.Warn("full")
		time.Sleep(10 * time.Second)
		log.Warn("full")
		time.Sleep(time.Minute)
		end()
		synctest.Wait()
		_, line, _ := strings.Cut(out.String(), "\n")
		written, since := began.Add(time.Minute).Format("time=2006-01-02T15:04:05"), began.Add(10*time.Second).UTC().Format("since=2006-01-02T15:04:05")
		if !strings.HasPrefix(line, written) || !strings.Contains(line, since) || !strings.Contains(line, "times=2") {
			t.Errorf("%q, want %s and %s", line, written, since)
		}
	})
}
