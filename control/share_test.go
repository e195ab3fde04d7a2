package control_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/control"
)

// Two instances share a switch whatever their clocks say: the newest change holds,
// ends at the same moment, and has one entry in the audit of each (F1, F8).
func TestControl_SharesASwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := start(t, t.TempDir()+"/a.db", scenes...), start(t, t.TempDir()+"/b.db", scenes...)
		var told [][]byte
		a.Share(func(entry []byte) { told = append(told, entry) }, func() time.Duration { return 0 })
		const ahead = 5 * time.Second // what is shared is ahead of a's clock, and b's is as much behind it
		tell := func(from, to *house, by time.Duration) {
			t.Helper()
			_, _, text := from.Current(by)
			must(t, to.Adopt(t.Context(), text, -by))
		}
		share := 0.5
		must(t, a.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "API down", For: time.Minute, Actor: "ops"}))
		must(t, a.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "login", Share: &share, Reason: "drill", Actor: "ops"}))
		tell(a, b, ahead)
		if o := b.Override(); o == nil || o.Reason != "API down" || !o.Until.Equal(a.Override().Until.Add(2*ahead)) {
			t.Errorf("the override is %+v", o)
		}
		if text := b.log.text.String(); !strings.Contains(text, `another instance of the fleet has switched" summary="drill on login for 50 % of its users until changed: drill" actor=ops`) {
			t.Errorf("the log of the other does not say who switched and why: %s", text)
		}
		for range 2 { // the same again changes nothing
			must(t, b.Merge(t.Context(), told, -ahead))
		}
		synctest.Wait()
		entries, err := b.AuditEntries(t.Context(), time.Time{}, 10)
		must(t, err)
		if len(entries) != 2 || entries[0].Actor != "ops" {
			t.Errorf("the audit is %+v", entries)
		}
		must(t, b.Set(t.Context(), control.Change{Mode: control.Auto, Reason: "over"}))
		tell(a, b, ahead) // an old one
		if b.Override() != nil {
			t.Error("an old change came back")
		}
		tell(b, a, -ahead)
		if a.Override() != nil || len(a.Drills()) != 1 {
			t.Errorf("at the first %+v %+v", a.Override(), a.Drills())
		}
		if sides(a, "login") != sides(b, "login") {
			t.Error("a drill has other users on another instance")
		}
		time.Sleep(time.Second)
		must(t, b.Set(t.Context(), control.Change{Mode: control.Normal, Reason: "attack"}))
		tell(b, a, -ahead)
		b.end()
		a.end()
		if a.Mode() != control.Normal {
			t.Errorf("the mode is %v", a.Mode())
		}
	})
}

// An instance that has not heard of the others' changes yet does not make an older
// one.
func TestControl_ANewInstanceSwitchesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, young := start(t, t.TempDir()+"/a.db", scenes...), start(t, t.TempDir()+"/b.db", scenes...)
		for range 10 {
			must(t, old.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "API down"}))
		}
		time.Sleep(time.Second)
		must(t, young.Set(t.Context(), control.Change{Mode: control.Normal, Reason: "attack"}))
		_, _, text := young.Current(0)
		must(t, old.Adopt(t.Context(), text, 0))
		if old.Mode() != control.Normal {
			t.Errorf("the mode is %v", old.Mode())
		}
		old.end()
		young.end()
	})
}

// A text is taken for the change as which it was told only, and never for one of the audit
// (F1).
func TestControl_KnowsAsWhichChangeATextWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, t.TempDir()+"/a.db", scenes...)
		_, _, none := a.Current(0)
		var entry []byte
		a.Share(func(told []byte) { entry = told }, func() time.Duration { return 0 })
		must(t, a.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "API down", Actor: "ops"}))
		version, name, text := a.Current(0)
		for _, told := range []struct {
			text    []byte
			version uint64
			name    string
			made    bool
		}{
			{text, version, name, true}, {text, version + 1, name, false}, {text, version, "ff", false}, {text, 0, "", false},
			{none, 0, "", false}, {entry, 0, form(t, entry).(map[string]any)["name"].(string), false},
		} {
			if made, err := control.Made(told.text, told.version, told.name); err != nil || made != told.made {
				t.Errorf("%d %q: %v %v", told.version, told.name, made, err)
			}
		}
		if made, err := control.Made([]byte("{"), version, name); err == nil || made {
			t.Error("what cannot be read was told as something")
		}
		before, err := a.AuditEntries(t.Context(), time.Time{}, 10)
		must(t, err)
		must(t, a.Merge(t.Context(), [][]byte{text}, 0))
		synctest.Wait()
		if after, err := a.AuditEntries(t.Context(), time.Time{}, 10); err != nil || len(after) != len(before) {
			t.Errorf("a switch was entered as what operators did: %+v %v", after, err)
		}
		a.end()
	})
}

// What one instance tells for all is in the audit of each, once, also if another one
// reads all the fleet's news again after a restart.
func TestControl_AuditsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir() + "/b.db"
		a, b := start(t, t.TempDir()+"/a.db", scenes...), start(t, path, scenes...)
		var told [][]byte
		a.Share(func(entry []byte) { told = append(told, entry) }, func() time.Duration { return 0 })
		a.AuditForAll(control.KindTransition, "gateway", "trouble", nil)
		a.Audit(control.KindTransition, "gateway", "its own", nil)
		must(t, b.Merge(t.Context(), told, 0))
		synctest.Wait()
		time.Sleep(time.Second)
		b.end()
		b = start(t, path, scenes...)
		must(t, b.Merge(t.Context(), told, 0))
		synctest.Wait()
		for name, h := range map[string]*house{"it": a, "the other": b} {
			entries, err := h.AuditEntries(t.Context(), time.Time{}, 10)
			must(t, err)
			n := 0
			for _, e := range entries {
				if e.Summary == "trouble" {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s has %+v", name, entries)
			}
		}
		a.end()
		b.end()
	})
}
