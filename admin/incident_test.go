package admin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"captchagate/control"
	"captchagate/watch"
)

// anOutage has all that an incident can have.
func anOutage() watch.Incident {
	began := time.Date(2026, time.November, 30, 15, 23, 7, 0, time.UTC)
	ended := began.Add(18*time.Minute + 15*time.Second)
	share := 0.1
	return watch.Incident{
		ID: "019b7caa-a9b3-70b2-8470-060956695d71", Began: began, Ended: &ended,
		Evidence: "26 of 33 calls standing, none back for 250ms",
		Parts: []watch.Part{
			{Kind: watch.KindCircuit, Began: began, Ended: &ended, Evidence: "26 of 33 calls standing, none back for 250ms, median is 20ms, of users in 26 networks"},
			{Kind: watch.KindForced, Began: began.Add(4 * time.Minute), Ended: &ended, Evidence: `forced by ops: <script>alert(1)</script> | *see* [ticket](http://x)`},
		},
		Scenes: []watch.SceneCount{
			{Scene: "comment", Verified: 120, LetThrough: 12345, Denied: 80},
			{Scene: "login", Verified: 60, Solved: 4020, Challenged: 5410, Denied: 7},
		},
		Spared: 18231, RequestIDs: []string{"5c1d4b1e-2f66-4a53-9b0a-1d2f3c4b5a69", "8f14e45f-ceea-4671-a9b0-7d3b2a1c0d9e"},
		Reverified: watch.Reverified{Counts: watch.Counts{Waiting: 3, Confirmed: 9001, Refuted: 1000, Unverifiable: 2341}, ShareChecked: &share, ShareRefuted: &share},
	}
}

func (d *door) story(t *testing.T, accept string) (kind, text string) {
	t.Helper()
	w := d.ask(t, http.MethodGet, "/admin/v1/incidents/"+d.incident.ID, "", "Accept: "+accept)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", accept, w.Code, w.Body)
	}
	return w.Header().Get("Content-Type"), w.Body.String()
}

// The form is the one that the caller likes best.
func TestIncident_TakesTheFormThatIsAskedFor(t *testing.T) {
	d := build(t, nil)
	d.incident = anOutage()
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/json": "application/json",
		"text/markdown": "text/markdown; charset=utf-8", "text/html": "text/html; charset=utf-8",
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8": "text/html; charset=utf-8",
		"text/markdown;q=0.4, text/html;q=0.5":                                       "text/html; charset=utf-8",
		"text/markdown, text/html":                                                   "text/markdown; charset=utf-8",
		"text/markdown, */*":                                                         "text/markdown; charset=utf-8",
		"application/json;q=0, */*":                                                  "text/markdown; charset=utf-8",
		"TEXT/HTML":                                                                  "text/html; charset=utf-8",
		"nonsense, text/*":                                                           "text/markdown; charset=utf-8",
	} {
		if kind, _ := d.story(t, accept); kind != want {
			t.Errorf("Accept %q got %s, want %s", accept, kind, want)
		}
	}
	if w := d.ask(t, "GET", "/admin/v1/incidents/"+d.incident.ID, "", "Accept: image/png"); w.Code != http.StatusNotAcceptable || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("image/png: %d %s", w.Code, w.Body)
	}
	for _, id := range []string{"019b7caa-a9b3-70b2-8470-000000000000", "nonsense", "%00", ".."} {
		if w := d.ask(t, "GET", "/admin/v1/incidents/"+id, "", "Accept: text/html"); w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", id, w.Code, w.Body)
		}
	}
}

// A manager reads when, how it was seen, what users got, what came of it, what was spared
// and what to quote; and nothing that somebody wrote is more than text.
func TestIncident_IsAStoryToForward(t *testing.T) {
	d := build(t, nil)
	d.incident = anOutage()
	for _, accept := range []string{"text/markdown", "text/html"} {
		_, text := d.story(t, accept)
		flat := strings.ReplaceAll(text, "\u202f", " ")
		for _, want := range []string{
			"30 November 2026, 15:23:07 to 15:41:22 UTC (18 min 15 s)", "26 of 33 calls standing", "API away 15:23:07 to 15:41:22 UTC:", "degraded mode 15:27:07 to 15:41:22 UTC:", "forced by ops", "comment", "12 345",
			"let through unverified", "shown the alternate challenge", "9 001 proved good, 1 000 proved bad, 2 341 could not be checked any more and 3 are still to be asked about",
			"18 231 requests were not sent", "5c1d4b1e-2f66-4a53-9b0a-1d2f3c4b5a69", "its own records",
		} {
			if !strings.Contains(flat, want) {
				t.Errorf("%s: %q is missing in\n%s", accept, want, flat)
			}
		}
		if strings.Contains(text, "<script>") || accept == "text/markdown" && (strings.Contains(text, "[ticket](") || strings.Contains(text, " *see*")) {
			t.Errorf("%s: what an operator wrote is more than text:\n%s", accept, text)
		}
	}
	w := d.ask(t, "GET", "/admin/v1/incidents/"+d.incident.ID, "", "Accept: text/html")
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	} else {
		_, style, _ := strings.Cut(w.Body.String(), "<style>")
		style, _, _ = strings.Cut(style, "</style>")
		sum := sha256.Sum256([]byte(style))
		if !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
			t.Errorf("a browser leaves the style out: policy %q", policy)
		}
	}
	var back watch.Incident
	_, text := d.story(t, "application/json")
	if err := json.Unmarshal([]byte(text), &back); err != nil || back.Spared != 18231 || len(back.Scenes) != 2 {
		t.Errorf("JSON: %v %s", err, text)
	}
	if to := os.Getenv("STORY"); to != "" {
		_, page := d.story(t, "text/html")
		_, md := d.story(t, "text/markdown")
		must(t, os.WriteFile(filepath.Join(to, "incident.html"), []byte(page), 0o600))
		must(t, os.WriteFile(filepath.Join(to, "incident.md"), []byte(md), 0o600))
	}
}

// One that goes on, of which nothing is known yet, is told as well.
func TestIncident_TellsOneThatGoesOn(t *testing.T) {
	d := build(t, nil)
	d.incident = watch.Incident{ID: "019b7caa-a9b3-70b2-8470-060956695d71", Began: time.Date(2026, 11, 30, 15, 23, 7, 0, time.UTC), Interrupted: true,
		Parts: []watch.Part{{Kind: watch.KindAccount, Evidence: "account refused: AuthFailure.SecretIdNotFound"}}}
	for _, accept := range []string{"text/markdown", "text/html"} {
		_, text := d.story(t, accept)
		for _, want := range []string{"since 30 November 2026, 15:23:07 UTC", "It goes on", "was restarted", "Nobody asked", "refused our account"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in\n%s", accept, want, text)
			}
		}
	}
}

// Where no call failed, as while an operator had the API treated as down, there is nothing
// to quote; where calls failed that brought no answer, it says so.
func TestIncident_QuotesOnlyCallsThatFailed(t *testing.T) {
	d := build(t, nil)
	for kind, quotes := range map[watch.Kind]bool{watch.KindForced: false, watch.KindScript: false, watch.KindCircuit: true} {
		d.incident = watch.Incident{ID: "019b7caa-a9b3-70b2-8470-060956695d71", Began: time.Date(2026, 11, 30, 15, 23, 7, 0, time.UTC), Parts: []watch.Part{{Kind: kind}}}
		for _, accept := range []string{"text/markdown", "text/html"} {
			if _, text := d.story(t, accept); strings.Contains(text, "To quote") != quotes || strings.Contains(text, "have no request id") != quotes {
				t.Errorf("%s, %s:\n%s", kind, accept, text)
			}
		}
	}
}

// Who forced normal while it went on, or before and into it, denied users: the story says so,
// and of nothing that was over before.
func TestIncident_SaysWhoForcedNormal(t *testing.T) {
	d := build(t, nil)
	set := func(mode control.Mode, reason string) time.Time {
		must(t, d.control.Set(t.Context(), control.Change{Mode: mode, Reason: reason, Actor: "olga"}))
		return time.Now()
	}
	set(control.Normal, "a test long ago")
	began := set(control.Auto, "over")
	set(control.Normal, "an attack")
	ended := set(control.Degraded, "enough")
	set(control.Normal, "a test afterwards")
	d.incident = watch.Incident{ID: "019b7caa-a9b3-70b2-8470-060956695d71", Began: began, Ended: &ended, Parts: []watch.Part{{Kind: watch.KindCircuit, Began: began, Ended: &ended}}}
	for _, accept := range []string{"text/markdown", "text/html"} {
		_, text := d.story(t, accept)
		if !regexp.MustCompile(`olga forced normal, \d\d:\d\d:\d\d to .* UTC: whom the Captcha API could not verify was denied then, in every scene. The reason given: an attack\.`).MatchString(text) {
			t.Errorf("%s does not say who forced normal:\n%s", accept, text)
		}
		if strings.Contains(text, "a test") {
			t.Errorf("%s tells what was not in it:\n%s", accept, text)
		}
	}
	d.incident.Ended = nil
	if _, text := d.story(t, "text/markdown"); !strings.Contains(text, "a test afterwards") || !strings.Contains(text, "olga forced normal, since ") {
		t.Errorf("it does not say what goes on:\n%s", text)
	}
}
