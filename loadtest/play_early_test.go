package loadtest_test

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/loadtest"
)

// Ctrl-C: what was sent is told, what was not is not.
func TestPlay_EndsEarlyAndTellsWhatWas(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	g := gateway(t, api(t), func(n int64, _ string) (int, string) {
		if n%20 == 0 {
			<-release
		}
		return 200, full
	})
	s := read(t, strings.NewReplacer("500ms", "20s", "400/s", "50/s").Replace(short("{valid: 1}")))
	ctx, cancel := context.WithCancel(t.Context())
	var stopped time.Duration
	var released atomic.Int64
	r, err := loadtest.Play(ctx, s, []loadtest.Gateway{g}, func(p loadtest.Progress) {
		if p.Targets[0].Answers.Verified < 20 || stopped != 0 {
			return
		}
		stopped = p.At
		before := time.Now()
		cancel()
		time.AfterFunc(500*time.Millisecond, func() {
			released.Store(int64(p.At + time.Since(before)))
			close(release)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if total := r.Targets[0].Total; !r.EndedEarly || r.Passed || total.Sent < 20 || total.Sent > 10_000 || total.Answers.Verified != total.Sent {
		t.Errorf("early %t, passed %t, %+v", r.EndedEarly, r.Passed, total)
	}
	// What it says to have sent in is what it sent in, however long answers were
	// waited for.
	if at, until := stopped.Seconds(), time.Duration(released.Load()).Seconds(); r.Seconds < at || r.Seconds >= until {
		t.Errorf("stopped at %v s, with the last answers %v s after the beginning: %v s are told of", at, until, r.Seconds)
	}
	if due := r.Targets[0].Kept.Intended * r.Seconds; math.Abs(due-50*r.Seconds) > 1 {
		t.Errorf("%.1f requests were due in %v s at 50/s", due, r.Seconds)
	}
}

// Who stops it while the last answers are waited for has not seen them.
func TestPlay_EndsEarlyWithAnswersOwed(t *testing.T) {
	t.Parallel()
	var stuck atomic.Bool
	release := make(chan struct{})
	defer close(release)
	g := gateway(t, api(t), func(n int64, _ string) (int, string) {
		if n == 190 {
			stuck.Store(true)
			<-release
		}
		return 200, full
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := loadtest.Play(ctx, read(t, short("{valid: 1}")), []loadtest.Gateway{g}, func(p loadtest.Progress) {
		if p.Targets[0].Answers.Verified == 199 && p.At > p.Length { // all others were answered
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
