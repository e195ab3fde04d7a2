package loadtest_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/loadtest"
)

// Ctrl-C: what was sent is told, what was not is not.
func TestPlay_EndsEarlyAndTellsWhatWas(t *testing.T) {
	g := gateway(t, api(t), func(n int64, _ string) (int, string) {
		if n%20 == 0 {
			<-time.After(500 * time.Millisecond)
		}
		return 200, full
	})
	s := read(t, strings.Replace(short("{valid: 1}"), "500ms", "1m", 1))
	ctx, cancel := context.WithCancel(t.Context())
	var at time.Duration
	r, err := loadtest.Play(ctx, s, []loadtest.Gateway{g}, func(p loadtest.Progress) {
		if p.At > 300*time.Millisecond && at == 0 {
			at = p.At
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if total := r.Targets[0].Total; !r.EndedEarly || r.Passed || total.Sent < 50 || total.Sent > 10_000 || total.Answers.Verified != total.Sent {
		t.Errorf("early %t, passed %t, %+v", r.EndedEarly, r.Passed, total)
	}
	// What it says to have sent in is what it sent in, whatever was waited for.
	if kept := r.Targets[0].Kept; r.Seconds < at.Seconds() || kept.Sent < 0.9*kept.Intended {
		t.Errorf("stopped at %v, %v s are told of, in which %.0f/s of %.0f/s left", at, r.Seconds, kept.Sent, kept.Intended)
	}
}

// Who stops it while the last answers are waited for has not seen them.
func TestPlay_EndsEarlyWithAnswersOwed(t *testing.T) {
	var stuck atomic.Bool
	g := gateway(t, api(t), func(n int64, _ string) (int, string) {
		if n == 190 {
			stuck.Store(true)
			<-time.After(4 * time.Second)
		}
		return 200, full
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := loadtest.Play(ctx, read(t, short("{valid: 1}")), []loadtest.Gateway{g}, func(p loadtest.Progress) {
		if p.At > 700*time.Millisecond { // all were sent
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if o := r.Targets[0].Objectives[0]; !stuck.Load() || r.Passed || !r.EndedEarly || !o.Unjudged {
		t.Errorf("passed %t, early %t, %+v; an answer is owed: %t", r.Passed, r.EndedEarly, o, stuck.Load())
	}
}
