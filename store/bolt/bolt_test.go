package bolt_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/store"
	"captchagate/store/bolt"
)

var quiet = slog.New(slog.DiscardHandler)

func TestBolt_KeepsEverythingOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "gateway.db")
		first := open(t, path)
		must(t, first.PutWithEntry(t.Context(), "control", "switch", []byte("degraded"), "audit", time.Now(), []byte("set")))
		must(t, first.Put(t.Context(), "things", "short", nil, time.Minute))
		wantOnce(t, first, true)
		must(t, first.Close())

		time.Sleep(time.Second)
		second := open(t, path)
		wantValue(t, second, "control", "switch", "degraded")
		wantOnce(t, second, false)
		if got := entries(t, second, "audit", time.Time{}, 10); got != "set" {
			t.Errorf("the log holds %q", got)
		}
		time.Sleep(time.Minute)
		wantNothing(t, second, "things", "short")
	})
}

func TestBolt_AFailingDiskIsAnErrorAndNotAHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bolt.OpenBroken(t, filepath.Join(t.TempDir(), "gateway.db"))
		began := time.Now()
		if err := b.Put(t.Context(), "things", "b", nil, 0); err == nil {
			t.Error("Put: no error")
		}
		if first, err := b.Once(t.Context(), "spent", "b", 0); first || err == nil {
			t.Errorf("Once: first %v, error %v", first, err)
		}
		if err := b.PutWithEntry(t.Context(), "control", "switch", nil, "audit", time.Now(), nil); err == nil {
			t.Error("PutWithEntry: no error")
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		if b.Healthy() {
			t.Error("the store calls itself healthy")
		}
		wantValue(t, b, "things", "before", "kept")
		wantNothing(t, b, "things", "b")
	})
}

func TestBolt_AStuckDiskCostsAnErrorAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, filepath.Join(t.TempDir(), "gateway.db"))
		release := b.Hold()
		began := time.Now()
		if first, err := b.Once(t.Context(), "spent", "a", 0); first || err == nil {
			t.Errorf("Once: first %v, error %v", first, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		if err := b.Put(ctx, "things", "a", nil, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put with a deadline: %v", err)
		}
		if took := time.Since(began); took != time.Second+5*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if b.Healthy() {
			t.Error("the store calls itself healthy")
		}
		close(release)
		must(t, b.Put(t.Context(), "things", "b", nil, 0))
		if !b.Healthy() {
			t.Error("the store does not call itself healthy again")
		}
	})
}

func TestBolt_TriesAgainByItselfWhenItCouldNotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, filepath.Join(t.TempDir(), "gateway.db"))
		go b.Run(t.Context())
		if err := <-b.Fail(); err == nil || b.Healthy() {
			t.Fatalf("error %v, healthy %v", err, b.Healthy())
		}
		time.Sleep(10*time.Second - 1)
		if b.Healthy() {
			t.Error("something was written before its time: the test looks at nothing")
		}
		time.Sleep(2)
		synctest.Wait()
		if !b.Healthy() {
			t.Error("the store did not look again")
		}
	})
}

func TestBolt_AWriteThatFailsFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, filepath.Join(t.TempDir(), "gateway.db"))
		release := b.Hold()
		var wg sync.WaitGroup
		put := func(key string) {
			wg.Go(func() {
				if err := b.Put(t.Context(), "things", key, []byte(key), 0); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			})
			synctest.Wait() // it waits behind those before
		}
		first := b.Fail()
		put("a")
		put("b")
		second := b.Fail()
		put("c")
		close(release)
		wg.Wait()
		for _, failed := range []<-chan error{first, second} {
			if err := <-failed; err == nil {
				t.Error("a write that failed is acknowledged")
			}
		}
		for _, key := range []string{"a", "b", "c"} {
			wantValue(t, b, "things", key, key)
		}
		if !b.Healthy() {
			t.Error("the last write succeeded, and the store does not call itself healthy")
		}
	})
}

func TestBolt_ASwitchIsAcknowledgedOnlyOnceItIsOnTheDisk(t *testing.T) {
	set := func(b *bolt.Store) error {
		return b.PutWithEntry(t.Context(), "control", "switch", nil, "audit", time.Now(), nil)
	}
	t.Run("not synced", func(t *testing.T) {
		b, err := bolt.Open(filepath.Join(t.TempDir(), "gateway.db"), quiet)
		must(t, err)
		defer b.Close()
		b.BreakSync(t)
		if err := set(b); err == nil || b.Healthy() {
			t.Errorf("error %v, healthy %v", err, b.Healthy())
		}
	})
	t.Run("not written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, filepath.Join(t.TempDir(), "gateway.db"))
			release := b.Hold()
			if err := set(b); err == nil {
				t.Error("acknowledged while the disk hangs")
			}
			close(release)
		})
	})
}

func TestBolt_ClearsAwayWhatExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, filepath.Join(t.TempDir(), "gateway.db"))
		go b.Run(t.Context())
		for i := range 5000 { // more than one helping
			life := time.Minute
			if i%10 == 0 {
				life = 0
			}
			b.Preload("things", strconv.Itoa(i), life)
		}
		if got := b.Records("things"); got != 5000 {
			t.Fatalf("%d records before", got)
		}
		time.Sleep(71 * time.Second)
		if got := b.Records("things"); got != 500 {
			t.Errorf("%d records are left, want the 500 without an end", got)
		}
	})
}

func TestBolt_KeepsTheNewestEntriesOfALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "gateway.db")
		b := open(t, path)
		start := time.Now()
		const crowd = 150 // at a time, because it is quicker
		for first := 0; first < store.MaxEntries+50; first += crowd {
			var wg sync.WaitGroup
			for i := first; i < first+crowd; i++ {
				wg.Go(func() {
					if err := b.Append(t.Context(), "audit", start.Add(time.Duration(i)*time.Second), []byte(strconv.Itoa(i))); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		must(t, b.Close())
		b = open(t, path) // counts anew
		must(t, b.Append(t.Context(), "audit", start.Add(24*time.Hour), []byte("last")))
		got := strings.Fields(entries(t, b, "audit", time.Time{}, 2*store.MaxEntries))
		if len(got) != store.MaxEntries || got[0] != "last" || got[len(got)-1] != "51" {
			t.Errorf("%d entries from %s to %s", len(got), got[0], got[len(got)-1])
		}
	})
}
