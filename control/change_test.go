package control_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"captchagate/control"
)

func TestControl_ListsEveryMistake(t *testing.T) {
	share := func(f float64) *float64 { return &f }
	for _, row := range []struct {
		name   string
		change control.Change
		want   string // fields
	}{
		{"no reason", control.Change{Mode: control.Degraded}, "reason"},
		{"a reason of spaces", control.Change{Mode: control.Degraded, Reason: "  "}, "reason"},
		{"a long reason", control.Change{Mode: control.Degraded, Reason: strings.Repeat("r", 257)}, "reason"},
		{"a reason of two lines", control.Change{Mode: control.Degraded, Reason: "a\nb"}, "reason"},
		{"a reason that is read backwards", control.Change{Mode: control.Degraded, Reason: "tset a\u202e"}, "reason"},
		{"a reason with an isolate", control.Change{Mode: control.Degraded, Reason: "\u2067test\u2069"}, "reason"},
		{"a reason of two lines by Unicode", control.Change{Mode: control.Degraded, Reason: "a\u2028b"}, "reason"},
		{"a broken reason", control.Change{Mode: control.Degraded, Reason: "a\xff"}, "reason"},
		{"an unknown mode", control.Change{Mode: 7, Reason: "r"}, "mode"},
		{"a negative time", control.Change{Mode: control.Degraded, Reason: "r", For: -1}, "for"},
		{"a time for auto", control.Change{Mode: control.Auto, Reason: "r", For: 1}, "for"},
		{"an unknown scene", control.Change{Mode: control.Degraded, Reason: "r", Scene: "logon"}, "scene"},
		{"normal for a scene", control.Change{Mode: control.Normal, Reason: "r", Scene: "login"}, "mode"},
		{"a share for normal", control.Change{Mode: control.Normal, Reason: "r", Share: share(0.5)}, "share"},
		{"a share for auto", control.Change{Mode: control.Auto, Reason: "r", Scene: "login", Share: share(0.5)}, "share"},
		{"a share of nothing", control.Change{Mode: control.Degraded, Reason: "r", Share: share(0.5)}, "share"},
		{"a share over 1", control.Change{Mode: control.Degraded, Reason: "r", Scene: "login", Share: share(1.01)}, "share"},
		{"a share under 0", control.Change{Mode: control.Degraded, Reason: "r", Scene: "login", Share: share(-0.01)}, "share"},
		{"a share of no number", control.Change{Mode: control.Degraded, Reason: "r", Scene: "login", Share: share(math.NaN())}, "share"},
		{"all at once", control.Change{Mode: control.Normal, Scene: "logon", For: -1, Share: share(2)}, "reason for scene mode share"},
		{"none", control.Change{Mode: control.Degraded, Reason: strings.Repeat("r", 256), Scene: "login", Share: share(1), For: 1}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, func(t *testing.T, path string) {
				h := start(t, path, scenes...)
				err := h.Set(t.Context(), row.change)
				var fields []string
				mistakes, _ := errors.AsType[control.Mistakes](err)
				for _, mistake := range mistakes {
					fields = append(fields, mistake.Field)
					if !strings.Contains(err.Error(), mistake.Field+": "+mistake.Detail) {
						t.Errorf("%q does not say what is wrong with %s", err, mistake.Field)
					}
				}
				if got := strings.Join(fields, " "); got != row.want {
					t.Fatalf("mistakes in %q (%v), want %q", got, err, row.want)
				}
				if row.want == "" {
					return
				}
				if h.Override() != nil || len(h.Drills()) != 0 {
					t.Errorf("it was made all the same: %+v, %+v", h.Override(), h.Drills())
				}
				wantAudit(t, h)
			})
		})
	}
}
