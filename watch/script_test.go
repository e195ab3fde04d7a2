package watch_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/watch"
)

func TestScript_IsDownAfterFailuresInARowAndUpAfterOneSuccess(t *testing.T) {
	probed(t, quiet, well, func(s *watch.Script, at *site, changes *[]bool) {
		began := time.Now()
		pass(time.Second)
		at.now(refuse)
		pass(22 * time.Second)
		if s.Down() {
			t.Fatal("down after two failures")
		}
		if st := s.Status(); !st.Since.Equal(began) {
			t.Errorf("up since %v, want the first probe at %v", st.Since, began)
		}
		at.now(well)
		pass(11 * time.Second)
		at.now(refuse)
		pass(22 * time.Second)
		if s.Down() {
			t.Fatal("down after two and two failures with a success between them")
		}
		for range 11 { // intervals vary, and a fourth failure may come within these seconds
			if !s.Down() {
				pass(time.Second)
			}
		}
		if st := s.Status(); !s.Down() || !st.Down || st.Failures != 3 || st.Problem != "connection refused" {
			t.Fatalf("after three failures in a row: %+v", st)
		}
		pass(time.Hour)
		if !s.Down() {
			t.Fatal("not down any more")
		}
		at.now(well)
		pass(11 * time.Second)
		if st := s.Status(); s.Down() || st.Down || st.Failures != 0 || st.Problem != "" {
			t.Fatalf("after a success: %+v", st)
		}
		if len(*changes) != 2 || !(*changes)[0] || (*changes)[1] {
			t.Errorf("told %v, want down and up once each", *changes)
		}
	})
}

// People are told once that the script is away, and once that it is back.
func TestScript_SaysOnceThatItIsAway(t *testing.T) {
	var text bytes.Buffer
	probed(t, slog.New(slog.NewTextHandler(&text, nil)), well, func(_ *watch.Script, at *site, _ *[]bool) {
		pass(time.Second)
		at.now(refuse)
		pass(time.Hour)
		at.now(well)
		pass(time.Hour)
		if got := text.String(); strings.Count(got, "level=") != 2 || strings.Count(got, "level=ERROR") != 1 || strings.Count(got, "is back") != 1 {
			t.Errorf("the log is\n%s", got)
		}
	})
}

func TestScript_CorroboratesNothingBeforeItEverSucceeded(t *testing.T) {
	var text bytes.Buffer
	probed(t, slog.New(slog.NewTextHandler(&text, nil)), refuse, func(s *watch.Script, at *site, _ *[]bool) {
		pass(time.Hour)
		if st := s.Status(); s.Down() || st.Succeeded || st.Failures < 300 {
			t.Fatalf("never succeeded, and %+v", st)
		}
		if n := strings.Count(text.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings, want 1:\n%s", n, text.String())
		}
		at.now(well)
		pass(11 * time.Second)
		at.now(refuse)
		pass(33 * time.Second)
		if !s.Down() {
			t.Error("not down although it had succeeded")
		}
	})
}

func TestScript_FollowsNoRedirect(t *testing.T) {
	probed(t, quiet, well, func(_ *watch.Script, at *site, _ *[]bool) {
		at.now(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() != "https://script.test/x.js" {
				t.Errorf("asked %v", r.URL)
			}
			return answer(302, "", "", "Location", "https://portal.test/")(r)
		})
		pass(time.Minute)
	})
}

func TestScript_ProbesAtJitteredIntervals(t *testing.T) {
	probed(t, quiet, well, func(_ *watch.Script, at *site, _ *[]bool) {
		pass(time.Hour)
		visits := at.seen()
		gaps := map[time.Duration]bool{}
		for i := range len(visits) - 1 {
			gap := visits[i+1].Sub(visits[i])
			gaps[gap] = true
			if gap < 9*time.Second || gap > 11*time.Second {
				t.Fatalf("%v between two probes", gap)
			}
		}
		if len(visits) < 320 || len(gaps) < 100 {
			t.Errorf("%d probes in an hour at %d different distances", len(visits), len(gaps))
		}
	})
}

func TestScript_SoonerIsSoonerAndNotTooOften(t *testing.T) {
	probed(t, quiet, well, func(s *watch.Script, at *site, _ *[]bool) {
		pass(5 * time.Second)
		s.ProbeSoon()
		synctest.Wait()
		if n := len(at.seen()); n != 2 {
			t.Fatalf("%d probes, want the second at once", n)
		}
		for range 100 { // a flood for ten seconds
			s.ProbeSoon()
			pass(100 * time.Millisecond)
		}
		visits := at.seen()
		for i := range len(visits) - 1 {
			if gap := visits[i+1].Sub(visits[i]); gap < time.Second {
				t.Fatalf("only %v between two probes", gap)
			}
		}
		if n := len(visits); n < 10 || n > 13 {
			t.Errorf("%d probes in 15 s, of which 10 s asked for more", n)
		}
	})
}

func TestScript_GivesUpOnAHangAndGoesOn(t *testing.T) {
	probed(t, quiet, well, func(s *watch.Script, at *site, _ *[]bool) {
		pass(time.Second)
		at.now(hang)
		pass(47 * time.Second) // three times 5 s after at most 11 s
		if st := s.Status(); !s.Down() || st.Problem != "not there within 5s" {
			t.Errorf("after three hangs: %+v", st)
		}
	})
}

func TestScript_IsOffWithoutAnAddress(t *testing.T) {
	at := &site{serve: well}
	s := watch.NewScript(watch.ScriptConfig{}, at, nil, nil, quiet, prometheus.NewRegistry())
	s.ProbeSoon()
	s.Run(t.Context()) // returns
	if s.Down() || s.Status().Watched || len(at.seen()) != 0 {
		t.Errorf("%+v after %d probes", s.Status(), len(at.seen()))
	}
}

// C16: want of descriptors, ports or memory of this host says nothing of the
// script.
func TestScript_TroubleOfOurOwnSaysNothing(t *testing.T) {
	kinds := map[error]string{
		syscall.EMFILE: "descriptors", syscall.ENFILE: "descriptors", syscall.EADDRNOTAVAIL: "ports",
		syscall.ENOBUFS: "memory", syscall.ENOMEM: "memory",
	}
	for errno, kind := range kinds {
		synctest.Test(t, func(t *testing.T) {
			at, reg := &site{serve: well}, prometheus.NewRegistry()
			told := map[string]int{}
			s := watch.NewScript(watch.ScriptConfig{URL: "https://script.test/x.js", Interval: 10 * time.Second, Failures: 3}, at,
				func(st watch.ScriptStatus) { t.Errorf("told of %+v", st) }, func(kind string) { told[kind]++ }, quiet, reg)
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { s.Run(ctx) })
			pass(time.Second)
			at.now(refuse)
			pass(22 * time.Second) // two failures
			at.now(func(*http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", errno)}
			})
			pass(time.Hour)
			if st := s.Status(); s.Down() || st.Failures != 2 || st.Problem == "" {
				t.Errorf("%v: %+v", errno, st)
			}
			stop()
			running.Wait()
			if n := told[kind]; n < 300 || len(told) != 1 || float64(n) != series(t, reg, "captchagate_script_probes_total", "local") {
				t.Errorf("%v: told %v", errno, told)
			}
		})
	}
}

// What a host answers is repeated in log, audit and status, but not at length.
func TestScript_RepeatsLittleOfAnAnswer(t *testing.T) {
	var text bytes.Buffer
	probed(t, slog.New(slog.NewTextHandler(&text, nil)), well, func(s *watch.Script, at *site, _ *[]bool) {
		pass(time.Second)
		at.now(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("malformed HTTP status code \"\x1b[2J\n" + strings.Repeat("x", 60<<10))
		})
		pass(time.Minute)
		st := s.Status()
		if !s.Down() || len(st.Problem) > 210 || strings.ContainsAny(st.Problem, "\x1b\n") || !strings.HasPrefix(st.Problem, "malformed HTTP status code") {
			t.Errorf("down is %v, the problem %q", s.Down(), st.Problem)
		}
		if text.Len() > 1000 {
			t.Errorf("%d bytes were logged", text.Len())
		}
	})
}
