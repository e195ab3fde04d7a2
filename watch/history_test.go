package watch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"captchagate/watch"
)

// remember plays a story with a history that runs, in virtual time.
func remember(t *testing.T, now func() watch.Standing, story func(h *watch.History)) {
	synctest.Test(t, func(t *testing.T) {
		h := watch.NewHistory()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.Run(ctx, now)
		}()
		synctest.Wait()
		story(h)
		cancel()
		<-ended
	})
}

func calm() watch.Standing { return watch.Standing{Circuit: "closed", Mode: "normal"} }

func TestHistory_HasAPointASecond(t *testing.T) {
	var stands atomic.Value
	stands.Store(calm())
	remember(t, func() watch.Standing { return stands.Load().(watch.Standing) }, func(h *watch.History) {
		h.CountAnswer(watch.Answer{Decision: "allow"})
		h.CountAnswer(watch.Answer{Decision: "deny"})
		h.Called("passed", 20*time.Millisecond)
		h.Called("rejected", 20*time.Millisecond)
		h.Called("fault", 800*time.Millisecond)
		time.Sleep(time.Second)
		synctest.Wait()
		stands.Store(watch.Standing{Circuit: "open", Mode: "degraded"})
		h.CountAnswer(watch.Answer{Decision: "challenge", Degraded: true})
		h.CountAnswer(watch.Answer{Decision: "allow", Degraded: true})
		h.CountAnswer(watch.Answer{Decision: "allow", Degraded: true, Solved: true})
		h.Spared()
		time.Sleep(time.Second)
		synctest.Wait()

		every, points := h.Points(15)
		if every != time.Second || len(points) != 2 {
			t.Fatalf("%d points, one every %v", len(points), every)
		}
		peace, outage := points[0], points[1]
		if outage.At.Sub(peace.At) != time.Second {
			t.Errorf("points at %v and %v", peace.At, outage.At)
		}
		if peace.Answers.Allow.Normal != 1 || peace.Answers.Deny.Normal != 1 || peace.Calls.Passed != 1 || peace.Calls.Rejected != 1 || peace.Calls.Fault != 1 || peace.State != "closed" || peace.Mode != "normal" {
			t.Errorf("of peace: %+v", peace)
		}
		if p50, p99 := *peace.P50MS, *peace.P99MS; p50 < 19 || p50 > 21 || p99 < 760 || p99 > 840 {
			t.Errorf("latencies of 20, 20 and 800 ms: p50 %v, p99 %v", p50, p99)
		}
		if outage.Answers.Challenge.Degraded != 1 || outage.Answers.Allow.Degraded != 2 || outage.Solved != 1 || outage.Spared != 1 || outage.Answers.Allow.Normal != 0 || outage.Calls != (watch.Calls{}) || outage.State != "open" || outage.Mode != "degraded" {
			t.Errorf("of the outage: %+v", outage)
		}
		if outage.P50MS != nil || outage.P99MS != nil {
			t.Error("nothing was asked, and took some time")
		}
	})
}

// A minute adds up its seconds, and tells the worst that it saw.
func TestHistory_HasAPointAMinute(t *testing.T) {
	var stands atomic.Value
	stands.Store(calm())
	remember(t, func() watch.Standing { return stands.Load().(watch.Standing) }, func(h *watch.History) {
		for second := range 2 * 60 {
			stands.Store(calm())
			if second == 30 {
				stands.Store(watch.Standing{Circuit: "recovering", Mode: "degraded"})
			}
			h.Called("passed", 10*time.Millisecond)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		every, points := h.Points(16)
		if every != time.Minute || len(points) != 2 {
			t.Fatalf("%d points, one every %v", len(points), every)
		}
		first, second := points[0], points[1]
		if first.Calls.Passed != 60 || first.State != "recovering" || first.Mode != "degraded" || second.Calls.Passed != 60 || second.State != "closed" {
			t.Errorf("minutes: %+v, %+v", first, second)
		}
	})
}

// It keeps 15 minutes of seconds and 24 hours of minutes, and no more (O4).
func TestHistory_IsBounded(t *testing.T) {
	remember(t, calm, func(h *watch.History) {
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		for minutes, want := range map[int]int{1: 60, 15: 900, 16: 16, 60: 60, 1440: 1440} {
			_, points := h.Points(minutes)
			if len(points) != want {
				t.Errorf("of %d minutes %d points, want %d", minutes, len(points), want)
			}
			for i := 1; i < len(points); i++ {
				if !points[i].At.After(points[i-1].At) {
					t.Fatalf("of %d minutes point %d is at %v, and the one before at %v", minutes, i, points[i].At, points[i-1].At)
				}
			}
		}
	})
	if size := watch.HistorySize + unsafe.Sizeof(watch.History{}); size > 256<<10 {
		t.Errorf("a history takes %d bytes", size)
	} else {
		t.Logf("a history takes %.2f MB", float64(size)/1e6)
	}
}

func TestHistory_CountsWithoutAllocation(t *testing.T) {
	h := watch.NewHistory()
	if n := testing.AllocsPerRun(100, func() {
		h.CountAnswer(watch.Answer{Scene: "login", Decision: "challenge", Cause: "circuit_open", Degraded: true})
		h.Called("passed", 20*time.Millisecond)
		h.Spared()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHistory(b *testing.B) {
	h := watch.NewHistory()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.CountAnswer(watch.Answer{Scene: "login", Decision: "allow"})
			h.Called("passed", 20*time.Millisecond)
		}
	})
}
