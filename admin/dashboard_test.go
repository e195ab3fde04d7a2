package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/admin"
	"captchagate/control"
)

// Who is not let in is asked for the token. A link of another site brings no strict
// cookie, so the page asks once more by itself.
func TestDashboard_AsksForTheToken(t *testing.T) {
	d := build(t, tokens)
	w := d.ask(t, "GET", "/", "")
	if w.Code != 401 || !strings.Contains(w.Body.String(), `name="token"`) || strings.Contains(w.Body.String(), "refresh") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if w := d.ask(t, "GET", "/", "", "Sec-Fetch-Site: cross-site"); !strings.Contains(w.Body.String(), `<meta http-equiv="refresh" content="0">`) {
		t.Errorf("from another site: %s", w.Body)
	}
	if w := d.form(t, "/mode", url.Values{"mode": {"degraded"}, "reason": {"test"}}); w.Code != 401 || !strings.Contains(w.Body.String(), "nothing was changed") || d.control.Override() != nil {
		t.Errorf("the switch without a session: status %d: %s", w.Code, w.Body)
	}
}

// Nothing runs or loads on the page but what is ours, and no other page frames it.
func TestDashboard_HasAStrictPolicy(t *testing.T) {
	d := build(t, tokens)
	session := d.login(t, operatorToken)
	for _, path := range []string{"/", "/now", "/sla"} {
		w := d.ask(t, "GET", path, "", session)
		policy := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy has no %s: %s", path, want, policy)
			}
		}
		if body := w.Body.String(); strings.Contains(policy, "unsafe") || strings.Contains(body, " style=") || strings.Contains(body, "<style") || strings.Contains(body, "//") {
			t.Errorf("%s holds what its policy refuses", path)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s may be kept: %s", path, got)
		}
	}
	for _, path := range []string{"/dashboard.css", "/dashboard.js", "/icon.svg"} {
		if w := d.ask(t, "GET", path, ""); w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %s", path, w.Code, w.Header().Get("Cache-Control"))
		}
	}
}

func TestSwitch_ConfirmsAndThenSets(t *testing.T) {
	d := build(t, tokens)
	session := d.login(t, operatorToken)
	fields := url.Values{"mode": {"degraded"}, "reason": {"the API lies"}, "for": {"5m"}, "scene": {""}, "share": {""}, "step": {"confirm"}}
	w := d.form(t, "/mode", fields, session)
	for _, want := range []string{"Force degraded in all scenes (as if the API were down)?", "in 5 min", "Users of login: asked for the challenge.", "Users of comment: let through within 200/s in all, for 15m, beyond it asked for the challenge."} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("it does not say %q: %s", want, w.Body)
		}
	}
	if w.Code != 200 || d.control.Override() != nil {
		t.Fatalf("asking changed something, or failed: %d", w.Code)
	}
	fields.Del("step")
	w = d.form(t, "/mode", fields, session)
	o := d.control.Override()
	if w.Code != 303 || w.Header().Get("Location") != "/" || o == nil || o.Mode != control.Degraded || o.Reason != "the API lies" || o.Actor != "ops" || o.Until.Sub(o.Since) != 5*time.Minute {
		t.Fatalf("status %d, forced is %+v", w.Code, o)
	}
	if w := d.form(t, "/mode", url.Values{"mode": {"auto"}, "reason": {"over"}, "for": {"30m"}}, session); w.Code != 303 || d.control.Override() != nil {
		t.Errorf("auto: status %d: %s", w.Code, w.Body)
	}
	if w := d.form(t, "/mode", url.Values{"mode": {"degraded"}, "scene": {"login"}, "share": {"0.05"}, "reason": {"drill"}}, session); w.Code != 303 || len(d.control.Drills()) != 1 || d.control.Drills()[0].Share != 0.05 {
		t.Errorf("a drill: status %d, %+v", w.Code, d.control.Drills())
	}
}

// Every mistake is told at once, in what was filled in, and nothing of it is markup.
func TestSwitch_TellsEveryMistake(t *testing.T) {
	d := build(t, tokens)
	session := d.login(t, operatorToken)
	const bad = `<script>alert(1)</script>`
	w := d.form(t, "/mode", url.Values{"mode": {"degraded"}, "reason": {""}, "scene": {bad}, "share": {"2"}, "for": {"5m"}}, session)
	for _, want := range []string{"Reason is required", "is not configured", "Share must be between 0 and 1"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("it does not say %q: %s", want, w.Body)
		}
	}
	if w.Code != 400 || strings.Contains(w.Body.String(), bad) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	for _, fields := range []url.Values{{"mode": {bad}, "reason": {"x"}}, {"mode": {"degraded"}, "reason": {"x"}, "for": {"-5m"}}, {"mode": {"degraded"}, "reason": {"x"}, "scene": {"login"}, "share": {"some"}}} {
		if w := d.form(t, "/mode", fields, session); w.Code != 400 || d.control.Override() != nil {
			t.Errorf("%v: status %d", fields, w.Code)
		}
	}
	if w := d.form(t, "/mode", url.Values{"mode": {"degraded"}, "reason": {"x"}}, d.login(t, viewerToken)); w.Code != 403 || d.control.Override() != nil {
		t.Errorf("a viewer: status %d", w.Code)
	}
}

// A bad file changes nothing, and its mistakes are shown.
func TestReload_FromTheDashboard(t *testing.T) {
	d := build(t, tokens)
	session := d.login(t, operatorToken)
	if w := d.form(t, "/reload", nil, session); w.Code != 200 || !strings.Contains(w.Body.String(), "Reloaded; changed: scenes.") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	d.reload = func(context.Context) error {
		return errors.New("gateway.yaml:3: scenes: <b>one</b>\ngateway.yaml:7: listen: two")
	}
	if w := d.form(t, "/reload", nil, session); w.Code != 422 || strings.Count(w.Body.String(), `<li class="wrong">gateway.yaml`) != 2 || strings.Contains(w.Body.String(), "<b>one") || !strings.Contains(w.Body.String(), "Nothing was changed") {
		t.Errorf("a bad file: status %d: %s", w.Code, w.Body)
	}
	if w := d.form(t, "/reload", nil, d.login(t, viewerToken)); w.Code != 403 {
		t.Errorf("a viewer: status %d", w.Code)
	}
}

// A button that can only fail is not there: nobody is told of alarms, or there is no file to
// load again, as in a demo.
func TestDashboard_HasNoButtonThatCanOnlyFail(t *testing.T) {
	d := build(t, tokens)
	const reload, alarms = `action="reload"`, `action="alarms"`
	session := d.login(t, operatorToken)
	if page := d.ask(t, "GET", "/", "", session).Body.String(); !strings.Contains(page, reload) || !strings.Contains(page, alarms) {
		t.Errorf("a button is missing in %s", page)
	}
	d.noAlarms = admin.ErrNoAlarms
	if page := d.ask(t, "GET", "/", "", session).Body.String(); !strings.Contains(page, reload) || strings.Contains(page, alarms) {
		t.Errorf("without alarms the page is %s", page)
	}
	d.Handler = admin.New(admin.Config{Listen: "127.0.0.1:0", Tokens: tokens}, d.control, d, nil, http.NotFoundHandler(), quiet, prometheus.NewRegistry()).Handler()
	if page := d.ask(t, "GET", "/", "", session).Body.String(); strings.Contains(page, reload) {
		t.Errorf("without a file the page is %s", page)
	}
}

// What others wrote is text and no markup: reasons, evidence, names of instances.
func TestDashboard_EscapesWhatOthersWrote(t *testing.T) {
	d := build(t, tokens)
	const bad = `</svg><script>alert(1)</script>"'`
	d.status.Breaker = admin.Breaker{State: "open", Since: time.Now(), Evidence: bad, Transitions: []admin.Transition{{At: time.Now(), From: "closed", To: "open", Evidence: bad}}}
	d.status.Mode, d.status.Account = "degraded", admin.Account{State: "refused", Code: bad}
	d.status.Fleet = &admin.Fleet{Alive: 2, State: "closed", Redis: "up", Trouble: []string{bad}}
	d.status.Replicas = []admin.Replica{{ID: bad, Host: bad, Listen: bad, State: bad, Version: bad}}
	d.status.Budgets = []admin.Budget{{Scene: bad, Kind: bad, For: bad, Then: bad, Ends: time.Now()}}
	must(t, d.control.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: bad, Actor: bad}))
	w := d.ask(t, "GET", "/", "", d.login(t, operatorToken))
	if w.Code != 200 || strings.Contains(w.Body.String(), "<script>") || strings.Contains(w.Body.String(), bad) {
		t.Errorf("status %d: it has markup of others: %s", w.Code, w.Body)
	}
}

// A month's service levels have a page, with what can be claimed and whose records decide;
// what is no month is told, and the present one shown. O2
func TestDashboard_ShowsServiceLevels(t *testing.T) {
	d := build(t, tokens)
	if w := d.ask(t, "GET", "/sla", ""); w.Code != 401 {
		t.Errorf("without a session: status %d", w.Code)
	}
	session := d.login(t, viewerToken)
	w := d.ask(t, "GET", "/sla?month=2020-10", "", session)
	for _, part := range []string{"Service levels of 2020-10", `href="sla?month=2020-09"`, `href="sla?month=2020-11"`, "own records decide", "10 × 3 = 30", "26"} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("the page lacks %q: %s", part, w.Body)
		}
	}
	if w := d.ask(t, "GET", "/sla?month=bad", "", session); w.Code != 400 || !strings.Contains(w.Body.String(), "such as 2026-11") || !strings.Contains(w.Body.String(), "Service levels of 2026-11") {
		t.Errorf("a bad month: status %d: %s", w.Code, w.Body)
	}
	if w := d.ask(t, "GET", "/", "", session); !strings.Contains(w.Body.String(), `href="sla?month=2026-11"`) {
		t.Errorf("nothing leads there: %s", w.Body)
	}
}

// Times have one form on the page, also those of the audit's texts.
func TestDashboard_WritesTimesInOneForm(t *testing.T) {
	d := build(t, nil)
	must(t, d.control.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "a sale", Actor: "olga", For: time.Hour}))
	page := d.ask(t, "GET", "/", "").Body.String()
	shown := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, "")
	if !regexp.MustCompile(`olga forced degraded until [^:]*\d\d:\d\d:\d\d \w+: a sale`).MatchString(shown) {
		t.Errorf("the audit does not say until when in the page's form:\n%s", shown)
	}
	if found := regexp.MustCompile(`\d{4}-\d\d-\d\dT[^ ]*`).FindString(shown); found != "" {
		t.Errorf("beside times of that form stands %s", found)
	}
}
