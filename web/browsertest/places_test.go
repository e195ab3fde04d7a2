package browsertest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"captchagate/config"
	"captchagate/web"
)

// A browser's clock may be wrong: what was solved stays solved as long as the
// gateway takes it, and a disaster ticket has the gateway's time.
func TestClock_IsWrong(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	const expires = 10 * time.Minute
	s := openSite(t, func(c *config.Config, _ *web.Config) { c.Challenge.Expires = expires })
	for _, wrong := range []time.Duration{time.Hour, -time.Hour, 5 * time.Minute} {
		t.Run(wrong.String(), func(t *testing.T) {
			s.t = t
			clock := fmt.Sprintf(`{ const real = Date.now; Date.now = () => real() + %d; }`, wrong.Milliseconds())
			s.throws("degraded")
			p := b.opensAfter(s, clock, "")
			p.clicks(puzzleBox)
			p.stands("verified")
			const lives = `heldTimers().filter((ms) => ms > 60000)` // the shorter ones wait for a slow machine
			p.waits(lives + `.length === 1`)
			left := time.Duration(eval[float64](p, lives+`[0]`)) * time.Millisecond
			if left > expires-5*time.Second || left < expires-5*time.Second-patience {
				t.Errorf("a challenge that lives %v expires after %v", expires, left)
			}
			p.clicks(submit)
			if got := p.answered(); got != "allow challenge_solved degraded forced" {
				t.Errorf("answered %q", got)
			}
			s.throws("normal")
			q := b.opensAfter(s, clock, "")
			q.waits(`window.TencentCaptcha`)
			q.do(`window.TencentCaptcha = class { constructor() { throw new Error("of Tencent's"); } }`)
			q.clicks(box)
			q.stands("degraded")
			ticket := eval[string](q, `document.querySelector("[name=ticket]").value`)
			at, err := strconv.ParseInt(ticket[strings.LastIndex(ticket, "_")+1:], 10, 64)
			if off := time.Since(time.Unix(at, 0)); err != nil || off < -5*time.Second || off > patience {
				t.Errorf("%s was made %v ago", ticket, off)
			}
		})
	}
}

// slowdown is Network.emulateNetworkConditions, which every Chromium knows; the
// newer one by rule wants other fields in each.
var slowdown = cdp.Command[slow, struct{}]{Method: "Network.emulateNetworkConditions"}

type slow struct {
	Offline  bool    `json:"offline"`
	Latency  float64 `json:"latency"`            // ms
	Download float64 `json:"downloadThroughput"` // bytes a second, as Upload
	Upload   float64 `json:"uploadThroughput"`
}

// With 400 ms a round trip and 50 kbit/s there is a captcha, and a challenge.
func TestNetwork_IsSlow(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	for scene, act := range map[string]func(p *page){
		"payment": func(p *page) { p.clicks(box); p.clicks(human) },
		"login":   func(p *page) { p.clicks(puzzleBox) },
	} {
		t.Run(scene, func(t *testing.T) {
			s.t = t
			p := b.tab(t, s)
			_, err := chromedp.Call(p.ctx, network.Enable, network.EnableParams{})
			p.must(err)
			_, err = chromedp.Call(p.ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
			p.must(err)
			_, err = chromedp.Call(p.ctx, slowdown, slow{Latency: 400, Download: 50_000 / 8, Upload: 50_000 / 8})
			p.must(err)
			p.visit(s.shop.URL + "/shop?data-scene=" + scene)
			if took := eval[float64](p, `performance.getEntriesByType("navigation")[0].responseEnd`); took < 400 {
				t.Errorf("the page came after %v ms", took)
			}
			act(p)
			p.stands("verified")
			p.isFine("shift")
		})
	}
}

// inside is a page in a frame: it shows its captcha, presses its button, and
// tells the page around it.
const inside = `<script src="%s/client/captcha.js"></script>` + form + `<script>
onload = () => {
  Captchagate.show("#c").then((r) => parent.postMessage([r.state, r.ticket.slice(0, 4), document.querySelector("[name=ticket]").value === r.ticket].join(), "*"));
  const press = setInterval(() => {
    const button = document.querySelector("#simulator-captcha button");
    if (button) { clearInterval(press); button.click(); }
  }, 20);
};</script>`

// In a frame of the same origin, of another one and in a sandbox there is a
// ticket: the captcha's, or where the gateway asks for it and can be asked, a
// solution.
func TestPlaces_Frames(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	page := fmt.Sprintf(inside, s.shop.URL)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { text("text/html", page)(w, r) }))
	t.Cleanup(other.Close)
	s.serves("/inside", page)
	for i, row := range []struct{ name, mode, frame, want string }{
		{"same origin", "normal", `src="/inside"`, "verified,tr03,true"},
		{"same origin, degraded", "degraded", `src="/inside"`, "verified,,true"},
		{"another origin, degraded", "degraded", `src="` + other.URL + `"`, "verified,tr03,true"}, // not in allowed_origins
		{"sandbox", "normal", `sandbox="allow-scripts allow-forms" src="/inside"`, "verified,tr03,true"},
		{"sandbox without an address", "normal", `sandbox="allow-scripts" srcdoc="` + strings.ReplaceAll(page, `"`, "&quot;") + `"`, "verified,tr03,true"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			s.throws(row.mode)
			path := fmt.Sprint("/around/", i)
			s.serves(path, `<script>window.got = ""; addEventListener("message", (e) => { got = e.data; });</script><iframe title="Login" `+row.frame+`></iframe>`)
			p := b.visits(s, s.shop.URL+path)
			p.waits(`got`)
			if got := eval[string](p, `got`); got != row.want {
				t.Errorf("the frame says %s, want %s", got, row.want)
			}
		})
	}
}

// The page for a WebView that README.md shows: it hands what came of it to the
// app, which can show a challenge and begin anew.
func TestPlaces_WebViewOfTheREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, apps, _ := strings.Cut(string(readme), "**In a WebView**")
	recipe := regexp.MustCompile("(?s)```html\n(.*?)```").FindStringSubmatch(apps)
	if recipe == nil {
		t.Fatal("README.md shows no page for a WebView")
	}
	b, s := openBrowser(t), openSite(t, nil)
	s.serves("/app", recipe[1])
	p := b.tab(t, s)
	p.before(`window.heard = []; window.native = { captcha: (text) => heard.push(JSON.parse(text)) };`)
	p.visit(s.shop.URL + "/app")
	p.clicks(human)
	p.waits(`heard.length === 2`)
	if got := eval[string](p, `[heard[0].loaded, heard[1].state, heard[1].ticket.slice(0, 4), !!heard[1].randstr].join()`); got != "true,verified,tr03,true" {
		t.Errorf("the app heard %s", got)
	}
	s.throws("degraded")
	p.do(`Captchagate.challenge("#captcha", ` + s.issues() + `)`)
	p.clicks(strings.ReplaceAll(puzzleBox, "#c", "#captcha"))
	p.waits(`heard.length === 3 && heard[2].state === "verified" && heard[2].response && !heard[2].ticket`)
	s.throws("normal")
	p.do(`Captchagate.reset("#captcha"); void Captchagate.show("#captcha");`)
	p.clicks(closing)
	p.waits(`heard.length === 4 && heard[3].ret === 2`)
}

// Where the gateway encrypts the app id, the page has it before its user asks,
// and anew when it has grown old or a captcha failed. Not to have it is a load
// error like any other.
func TestCaptcha_EncryptedAppID(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, func(_ *config.Config, w *web.Config) { w.EncryptAppID = web.EncryptGCM })
	var status, n atomic.Int64
	status.Store(http.StatusOK)
	s.answers("GET /v1/app", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(status.Load()))
		_, _ = fmt.Fprintf(w, `{"captcha_app_id":190000002,"aid_encrypted":"%s%d","expires":"2026-01-01T00:00:00Z"}`, r.URL.Query().Get("scene"), n.Add(1))
	})
	p := b.opensAfter(s, `{ const real = Date.now; window.passed = 0; Date.now = () => real() + passed; }`, "")
	p.waits(`window.TencentCaptcha`)
	p.do(`window.TencentCaptcha = class {
		constructor(id, f, options) { this.f = f; this.is = id + " " + options.aidEncrypted; }
		show() { this.f(window.fails ? { ret: 0, ticket: "trerror_1006_1_1", errorCode: 1006 } : { ret: 0, ticket: this.is, randstr: "@r" }); }
	}`)
	shows := func(before, want string) {
		t.Helper()
		p.do(before)
		if got := eval[string](p, `Captchagate.show().then((r) => { Captchagate.reset("#c"); return r.errorCode ? r.state + r.errorCode : r.ticket; })`); got != want {
			t.Errorf("after %q the captcha was made with %s, want %s", before, got, want)
		}
	}
	for n.Load() == 0 { // before anybody asked
		p.do(`new Promise((done) => setTimeout(done, 20))`)
	}
	shows(``, "190000002 login1")
	shows(`passed += 120e3`, "190000002 login1")
	shows(`passed += 120e3`, "190000002 login2")
	shows(`passed -= 36e5`, "190000002 login3") // the user's clock was set
	shows(`window.fails = true`, "degraded1006")
	shows(`window.fails = false`, "190000002 login4")
	for _, refused := range []int64{http.StatusNotFound, http.StatusInternalServerError} {
		status.Store(refused)
		shows(`passed += 36e5`, "degraded1001")
	}
	status.Store(http.StatusOK)
	if got := eval[string](p, `Captchagate.show().then((r) => r.ticket)`); !strings.HasPrefix(got, "190000002 login") {
		t.Errorf("when it can be had again the captcha was made with %s", got)
	}
}
