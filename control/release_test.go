package control_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/control"
)

// lastRelease is where the forms of the last release are kept: instances of it and of this
// one share a switch during a rolling upgrade.
const lastRelease = "testdata/069e3c6"

func released(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(lastRelease, name))
	must(t, err)
	return text
}

// What an instance of the last release tells is understood, and what this one tells has all
// that the last release reads (F12). The forms are those of a switch and a drill made as
// here.
func TestControl_SharesASwitchWithTheLastRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := start(t, t.TempDir()+"/a.db", scenes...), start(t, t.TempDir()+"/b.db", scenes...)
		must(t, a.Adopt(t.Context(), released(t, "switch.json"), 0))
		o, drills := a.Override(), a.Drills()
		if o == nil || o.Mode != control.Degraded || o.Reason != "API down" || o.Actor != "ops" || !o.Until.Equal(o.Since.Add(time.Hour)) {
			t.Errorf("the override is %+v", o)
		}
		if len(drills) != 1 || drills[0].Scene != "login" || drills[0].Share != 0.5 || drills[0].Reason != "drill" || drills[0].Until != nil {
			t.Errorf("the drills are %+v", drills)
		}
		must(t, a.Merge(t.Context(), [][]byte{released(t, "entry.json")}, 0))
		synctest.Wait()
		entries, err := a.AuditEntries(t.Context(), time.Time{}, 10)
		must(t, err)
		if len(entries) != 1 || entries[0].Kind != control.KindSwitch || entries[0].Actor != "ops" || entries[0].Summary != "forced degraded until 2000-01-01T01:00:00Z: API down" {
			t.Errorf("the audit is %+v", entries)
		}

		var told [][]byte
		b.Share(func(entry []byte) { told = append(told, entry) }, func() time.Duration { return 0 })
		share := 0.5
		must(t, b.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "API down", For: time.Hour, Actor: "ops"}))
		must(t, b.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "login", Share: &share, Reason: "drill", Actor: "ops"}))
		_, _, text := b.Current(0)
		has(t, "switch", form(t, text), form(t, released(t, "switch.json")))
		has(t, "entry", form(t, told[0]), form(t, released(t, "entry.json")))
	})
}

func form(t *testing.T, text []byte) (of any) {
	t.Helper()
	must(t, json.Unmarshal(text, &of))
	return of
}

// has wants all fields of what was in what is, each of the same kind.
func has(t *testing.T, name string, is, was any) {
	t.Helper()
	if fmt.Sprintf("%T", is) != fmt.Sprintf("%T", was) {
		t.Errorf("%s is a %T, and was a %T", name, is, was)
		return
	}
	fields, ok := was.(map[string]any)
	if !ok {
		return
	}
	for field, value := range fields {
		now, there := is.(map[string]any)[field]
		if !there {
			t.Errorf("%s.%s is there no more", name, field)
			continue
		}
		has(t, name+"."+field, now, value)
	}
}
