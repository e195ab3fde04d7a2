package control_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/control"
	"captchagate/store/bolt"
)

func TestControl_ComesBackAsItWasAfterARestart(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		share := 0.5
		must(t, h.Set(t.Context(), control.Change{Mode: control.Normal, Reason: "attack", For: time.Hour, Actor: "ops"}))
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "drill", Scene: "login", Share: &share, Actor: "ops"}))
		before := *h.Override()
		must(t, h.Set(t.Context(), control.Change{Mode: control.Auto, Reason: "over"}))
		side := sides(h, "login")
		must(t, h.Set(t.Context(), control.Change{Mode: control.Normal, Reason: "attack", For: time.Hour, Actor: "ops"}))
		h.end()

		time.Sleep(time.Minute)
		h = start(t, path, scenes...)
		after := h.Override()
		if after == nil || after.Mode != before.Mode || after.Reason != before.Reason || !after.Since.Equal(before.Since) || !after.Until.Equal(*before.Until) {
			t.Errorf("the override is %+v, was %+v", after, before)
		}
		must(t, h.Set(t.Context(), control.Change{Mode: control.Auto, Reason: "over"}))
		if got := sides(h, "login"); got != side {
			t.Error("the drill has other users after the restart")
		}
	})
}

func TestControl_LapsesWhileTheProcessIsDown(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "API down", For: time.Minute, Actor: "ops"}))
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "login", Reason: "drill", For: time.Minute, Actor: "ops"}))
		h.end()

		time.Sleep(2 * time.Minute)
		for range 2 { // the second start finds nothing to lapse
			h = start(t, path, scenes...)
			if h.Override() != nil || h.Forced("login", alice) != control.Auto {
				t.Errorf("the override is %+v, forced is %v", h.Override(), h.Forced("login", alice))
			}
			wantAudit(t, h,
				"switch gateway drill on login lapsed",
				"switch gateway forced degraded lapsed",
				"switch ops drill on login for 100 % of its users until 2000-01-01T00:01:00Z: drill",
				"switch ops forced degraded until 2000-01-01T00:01:00Z: API down")
			wantSeen(t, h, "auto@0") // this process never was degraded
			h.end()
		}
	})
}

func TestControl_LeavesTheSwitchWhereTheStoreFails(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "API down", For: time.Minute}))
		must(t, h.store.Close())
		if err := h.Set(t.Context(), control.Change{Mode: control.Auto, Reason: "over"}); err == nil {
			t.Error("a change that was not stored is acknowledged")
		}
		if mode := h.Forced("login", alice); mode != control.Degraded {
			t.Errorf("forced is %v", mode)
		}
		wantSeen(t, h, "auto@0", "degraded@0")
		time.Sleep(time.Minute) // it lapses without the store
		synctest.Wait()
		if mode := h.Forced("login", alice); mode != control.Auto {
			t.Errorf("after its end forced is %v", mode)
		}
		wantSeen(t, h, "auto@0", "degraded@0", "auto@60")
		h.end() // what waits for the store gets one more try
		wantLog(t, &h.log, "switched", "what lapsed could not be stored; it has lapsed all the same", "the audit could not be written; trying again", "an entry of the audit is lost")
	})
}

func TestControl_SaysThatAStoredSwitchCannotBeRead(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		s, err := bolt.Open(path, quiet)
		must(t, err)
		defer s.Close()
		must(t, s.Put(t.Context(), "control", "switch", []byte("{"), 0))
		if _, err := control.New(t.Context(), s, scenes, quiet); err == nil || !strings.Contains(err.Error(), "not readable") {
			t.Errorf("the error is %v", err)
		}
	})
}
