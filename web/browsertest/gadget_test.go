package browsertest_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A page shows HTML that its users wrote, without scripts, and trusts its own
// scripts by a nonce. Nothing that such HTML can say has ours load a script from
// elsewhere or call a method of the page's, and the form works beside it.
func TestGadget_UsersHTMLRunsNoScript(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	var asked atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		switch {
		case strings.HasSuffix(r.URL.Path, ".png"): // a page may show pictures from anywhere
		case strings.HasSuffix(r.URL.Path, "/v1/mode"):
			asked.Add(1)
			text("application/json", `{"mode":"degraded","action":"challenge"}`)(w, r)
		default:
			asked.Add(1)
			text("text/javascript", `document.title = "run by " + document.currentScript.src`)(w, r)
		}
	}))
	t.Cleanup(evil.Close)
	written := func(attributes string) string {
		return strings.Replace(form, "data-scene", attributes+" data-scene", 1)
	}
	clobbered := fmt.Sprintf(`<img name="currentScript" src="%[1]s/x.png" data-script="%[1]s/x.js" data-gateway="%[1]s/">`, evil.URL)
	ready := html.EscapeString(`{"ready":"admin.wipe"}`)
	for i, row := range []struct{ name, policy, html, mode, want, complaint string }{
		{name: "another gateway", policy: "script-src 'nonce-abc'", html: written(`data-gateway="` + evil.URL + `/"`)},
		{name: "another script", policy: "script-src 'nonce-abc'", html: written(fmt.Sprintf(`data-script="%[1]s/x.js" data-src="%[1]s/x.js" data-base="%[1]s/"`, evil.URL))},
		{name: "an element in the script's place", policy: "script-src 'nonce-abc' 'strict-dynamic'", html: clobbered + form},
		{name: "the same, no policy", html: clobbered + form},
		{name: "the same, under the challenge", policy: "script-src 'nonce-abc' 'strict-dynamic'", html: clobbered + form, mode: "degraded", want: "allow challenge_solved degraded forced"},
		{name: "an element in the library's place", policy: "script-src 'nonce-abc'", html: `<form id="Captchagate"><input name="render"></form>` + form},
		{name: "a method of the page's", policy: "script-src 'nonce-abc'", html: written(`data-state-callback="admin.wipe"`), complaint: "no function admin.wipe"},
		{name: "a method in Tencent's options", policy: "script-src 'nonce-abc'", html: written(`data-options="` + ready + `"`)},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			if row.mode == "" {
				row.mode, row.want = "normal", "allow verified normal "
			}
			s.throws(row.mode)
			path := fmt.Sprint("/users/", i)
			s.answers("GET "+path, func(w http.ResponseWriter, r *http.Request) {
				if row.policy != "" {
					w.Header().Set("Content-Security-Policy", row.policy)
				}
				text("text/html", `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,"><script nonce="abc">window.admin = { wipe() { document.title = "wiped"; } }; window.failures = []; addEventListener("error", (e) => { failures.push(e.message); e.preventDefault(); });</script>`+
					row.html+`<script nonce="abc" src="/client/captcha.js"></script>`)(w, r)
			})
			p := b.visits(s, s.shop.URL+path)
			if row.mode == "normal" {
				p.presses(box)
				p.presses(human)
			} else {
				p.presses(puzzleBox)
			}
			p.stands("verified")
			if title, n := eval[string](p, `document.title`), asked.Swap(0); title != "A page" || n != 0 {
				t.Errorf("the page is called %q, and the other host was asked %d times", title, n)
			}
			if failures := eval[string](p, `failures.join("; ")`); (row.complaint == "") != (failures == "") || !strings.Contains(failures, row.complaint) {
				t.Errorf("the page was told %q, want %q", failures, row.complaint)
			}
			p.do(submit + `.click()`)
			p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
			if l := s.received(); len(l) != 1 || l[0].String() != row.want {
				t.Errorf("the backend received %+v, want %q", l, row.want)
			}
		})
	}
}
