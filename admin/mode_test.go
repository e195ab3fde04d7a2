package admin_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/control"
)

func TestMode_IsSetAndShown(t *testing.T) {
	d := build(t, tokens)
	w := d.ask(t, "PUT", "/admin/v1/mode", `{"mode":"degraded","reason":"API down","for":"30m"}`, bearer(operatorToken))
	var got struct {
		Override *struct{ Mode, Reason, Actor, Since, Until string }
	}
	must(t, json.Unmarshal(w.Body.Bytes(), &got))
	if w.Code != 200 || got.Override == nil || got.Override.Mode != "degraded" || got.Override.Actor != "ops" || got.Override.Reason != "API down" {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	since, sinceErr := time.Parse(time.RFC3339, got.Override.Since)
	until, untilErr := time.Parse(time.RFC3339, got.Override.Until)
	if sinceErr != nil || untilErr != nil || until.Sub(since) != 30*time.Minute {
		t.Errorf("it stands from %s to %s", got.Override.Since, got.Override.Until)
	}
	if mode := d.control.Mode(); mode != control.Degraded {
		t.Errorf("forced is %v", mode)
	}

	w = d.ask(t, "PUT", "/admin/v1/mode", `{"mode":"degraded","reason":"no end"}`, bearer(operatorToken))
	if !strings.Contains(w.Body.String(), `"until":null`) {
		t.Errorf("without for: %s", w.Body)
	}
	w = d.ask(t, "PUT", "/admin/v1/mode", `{"mode":"auto","reason":"over"}`, bearer(operatorToken))
	if !strings.Contains(w.Body.String(), `"override":null`) {
		t.Errorf("after auto: %s", w.Body)
	}
	w = d.ask(t, "PUT", "/admin/v1/mode", `{"mode":"degraded","reason":"drill","scene":"login","share":0.05,"for":"10m"}`, bearer(operatorToken))
	if !strings.Contains(w.Body.String(), `"drills":[{"scene":"login","share":0.05,"reason":"drill","actor":"ops"`) {
		t.Errorf("a drill: %s", w.Body)
	}
}

func TestMode_RefusesBadBodiesAndListsEveryMistake(t *testing.T) {
	d := build(t, nil)
	for _, row := range []struct {
		name, body string
		status     int
		fields     string // that the errors name
	}{
		{"empty", ``, 400, ""},
		{"broken", `{"mode":"auto"`, 400, ""},
		{"an array", `[]`, 400, ""},
		{"null", `null`, 400, ""},
		{"a string", `"auto"`, 400, ""},
		{"trailing text", `{"mode":"auto","reason":"r"} x`, 400, ""},
		{"a second object", `{"mode":"auto","reason":"r"}{}`, 400, ""},
		{"invalid UTF-8", "{\"mode\":\"auto\",\"reason\":\"\xff\"}", 400, "reason"},
		{"too long", `{"mode":"auto","reason":"` + strings.Repeat("r", 64<<10) + `"}`, 413, ""},
		{"nothing in it", `{}`, 400, "mode reason"},
		{"an unknown field", `{"mode":"auto","reason":"r","force":true}`, 400, "force"},
		{"a field in capitals", `{"Mode":"auto","mode":"auto","reason":"r"}`, 400, "Mode"},
		{"a field twice", `{"mode":"auto","reason":"r","mode":"degraded"}`, 400, "mode"},
		{"wrong types", `{"mode":1,"reason":true,"for":30,"scene":[],"share":"0.5"}`, 400, "mode reason for scene share"},
		{"nulls", `{"mode":null,"reason":null,"for":null,"scene":null,"share":null}`, 400, "mode reason for scene share"},
		{"an unknown mode, and nothing that follows from it", `{"mode":"on","reason":"r","for":"1m","scene":"login","share":0.5}`, 400, "mode"},
		{"a bad time", `{"mode":"degraded","reason":"r","for":"soon"}`, 400, "for"},
		{"no time", `{"mode":"degraded","reason":"r","for":"0s"}`, 400, "for"},
		{"a negative time", `{"mode":"degraded","reason":"r","for":"-1m"}`, 400, "for"},
		{"an endless time", `{"mode":"degraded","reason":"r","for":"999999999999h"}`, 400, "for"},
		{"a time for auto", `{"mode":"auto","reason":"r","for":"1m"}`, 400, "for"},
		{"no reason", `{"mode":"degraded"}`, 400, "reason"},
		{"an empty reason", `{"mode":"degraded","reason":""}`, 400, "reason"},
		{"a long reason", `{"mode":"degraded","reason":"` + strings.Repeat("r", 257) + `"}`, 400, "reason"},
		{"an unknown scene", `{"mode":"degraded","reason":"r","scene":"logon"}`, 400, "scene"},
		{"an empty scene", `{"mode":"degraded","reason":"r","scene":""}`, 400, "scene"},
		{"a share of nothing", `{"mode":"degraded","reason":"r","share":0.5}`, 400, "share"},
		{"a share with auto", `{"mode":"auto","reason":"r","scene":"login","share":0.5}`, 400, "share"},
		{"a share with normal", `{"mode":"normal","reason":"r","share":0.5}`, 400, "share"},
		{"a share over one", `{"mode":"degraded","reason":"r","scene":"login","share":1.5}`, 400, "share"},
		{"a share beyond numbers", `{"mode":"degraded","reason":"r","scene":"login","share":1e999}`, 400, "share"},
		{"normal for a scene", `{"mode":"normal","reason":"r","scene":"login"}`, 400, "mode"},
		{"a long unknown field", `{"mode":"auto","reason":"r","` + strings.Repeat("x", 10000) + `":1}`, 400, strings.Repeat("x", 16) + "…"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := wantProblem(t, d.ask(t, "PUT", "/admin/v1/mode", row.body), row.status)
			var fields []string
			for _, mistake := range p.Errors {
				if mistake.Detail == "" {
					t.Errorf("nothing is said about %s", mistake.Field)
				}
				fields = append(fields, mistake.Field)
			}
			slices.Sort(fields)
			want := strings.Fields(row.fields)
			slices.Sort(want)
			if !slices.Equal(fields, want) {
				t.Errorf("errors name %q, want %q", fields, want)
			}
		})
	}
	if d.control.Override() != nil || len(d.control.Drills()) != 0 {
		t.Errorf("something was changed: %+v, %+v", d.control.Override(), d.control.Drills())
	}
}

func TestAudit_IsShownNewestFirst(t *testing.T) {
	d := build(t, tokens)
	for i := range 3 {
		d.ask(t, "PUT", "/admin/v1/mode", fmt.Sprintf(`{"mode":"normal","reason":"step %d"}`, i), bearer(operatorToken))
	}
	all := audit(t, d, "")
	if len(all) != 3 || all[0].Actor != "ops" || all[0].Kind != control.KindSwitch || !strings.Contains(all[0].Summary, "step 2") {
		t.Fatalf("the audit is %+v", all)
	}
	if got := audit(t, d, "?limit=1"); len(got) != 1 || got[0].Summary != all[0].Summary {
		t.Errorf("with a limit of 1: %+v", got)
	}
	if got := audit(t, d, "?since="+all[1].At.Format(time.RFC3339Nano)); len(got) != 1 || got[0].Summary != all[0].Summary {
		t.Errorf("since the second: %+v", got)
	}
	if w := d.ask(t, "GET", "/admin/v1/audit?since=2100-01-01T00:00:00Z", "", bearer(viewerToken)); strings.TrimSpace(w.Body.String()) != `{"entries":[]}` {
		t.Errorf("since the far future: %s", w.Body)
	}
}

func TestAudit_RefusesABadQuery(t *testing.T) {
	d := build(t, nil)
	for query, want := range map[string]string{
		"limit=0": "limit", "limit=1001": "limit", "limit=-1": "limit", "limit=ten": "limit", "limit=": "limit",
		"since=yesterday": "since", "since=": "since", "since=2026-01-01": "since", "since=1&limit=x": "since limit",
	} {
		p := wantProblem(t, d.ask(t, "GET", "/admin/v1/audit?"+query, ""), 400)
		var fields []string
		for _, mistake := range p.Errors {
			fields = append(fields, mistake.Field)
		}
		if got := strings.Join(fields, " "); got != want {
			t.Errorf("%s: errors name %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{"limit=1", "limit=1000", "since=2026-01-01T00:00:00Z", "since=2026-01-01T00:00:00%2B08:00"} {
		if w := d.ask(t, "GET", "/admin/v1/audit?"+query, ""); w.Code != 200 {
			t.Errorf("%s: status %d", query, w.Code)
		}
	}
}

func audit(t *testing.T, d *door, query string) []control.Entry {
	t.Helper()
	var got struct{ Entries []control.Entry }
	must(t, json.Unmarshal(d.ask(t, "GET", "/admin/v1/audit"+query, "", bearer(viewerToken)).Body.Bytes(), &got))
	return got.Entries
}
