package browsertest_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Scripts that take something away from the browser.
const (
	noSheets    = `window.CSSStyleSheet = function () { throw new TypeError("Illegal constructor"); };`
	noAdopting  = `delete ShadowRoot.prototype.adoptedStyleSheets; delete Document.prototype.adoptedStyleSheets; window.CSSStyleSheet = function () { throw new TypeError("Illegal constructor"); };`
	noTimeout   = `delete AbortSignal.timeout; delete AbortSignal.any; delete window.AbortController;`
	noSubtle    = `Object.defineProperty(Crypto.prototype, "subtle", { value: undefined });`
	noWorkers   = `delete window.Worker;`
	noResolvers = `delete Promise.withResolvers; delete Promise.any; delete Promise.allSettled; delete Promise.try;`
	noInternals = `delete HTMLElement.prototype.attachInternals; delete window.ElementInternals;`
	noReport    = `delete window.reportError; delete window.structuredClone; delete window.scheduler; delete window.requestIdleCallback;`
	noNewTypes  = `for (const k of ["at", "findLast", "flat", "toSorted", "group"]) delete Array.prototype[k]; delete String.prototype.at; delete String.prototype.replaceAll; delete Object.hasOwn; delete Object.groupBy; delete crypto.randomUUID;`
	noNewDOM    = `for (const k of ["replaceChildren", "moveBefore", "setHTML"]) delete Element.prototype[k]; for (const k of ["ariaLabel", "role"]) delete Element.prototype[k]; delete HTMLFormElement.prototype.requestSubmit; delete window.FormDataEvent; delete URL.canParse; delete URL.parse;`
	noTrust     = `delete window.trustedTypes;`
	noThreads   = `Object.defineProperty(Navigator.prototype, "hardwareConcurrency", { value: undefined });`
	noBeacon    = `Navigator.prototype.sendBeacon = undefined;`
)

// generations are browsers that lack something, and those that call themselves
// something else.
var generations = []struct{ name, without, agent string }{
	{name: "constructable style sheets", without: noSheets},
	{name: "adopted style sheets", without: noAdopting},
	{name: "AbortSignal.timeout and AbortController", without: noTimeout},
	{name: "crypto.subtle", without: noSubtle + noWorkers},
	{name: "workers", without: noWorkers},
	{name: "workers that come up", without: `window.Worker = class { constructor() { setTimeout(() => this.onerror({ preventDefault() {} })); } terminate() {} };`},
	{name: "Promise.withResolvers", without: noResolvers},
	{name: "ElementInternals", without: noInternals},
	{name: "reportError", without: noReport},
	{name: "additions to the language", without: noNewTypes},
	{name: "additions to the DOM", without: noNewDOM},
	{name: "trusted types", without: noTrust},
	{name: "a number of processors", without: noThreads},
	{name: "beacons", without: noBeacon},
	{name: "all of it", without: noAdopting + noTimeout + noSubtle + noWorkers + noResolvers + noInternals + noReport + noNewTypes + noNewDOM + noTrust + noThreads + noBeacon},
	{name: "a known name: WebView of Android", agent: "Mozilla/5.0 (Linux; Android 9; SM-J730G Build/PPR1; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/83.0.4103.106 Mobile Safari/537.36"},
	{name: "a known name: WKWebView", agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 15_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"},
	{name: "a known name: WeChat", agent: "Mozilla/5.0 (Linux; Android 10; ELE-AL00 Build/HUAWEIELE-AL00; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/86.0.4240.99 XWEB/4317 MMWEBSDK/20221011 Mobile Safari/537.36 MicroMessenger/8.0.30"},
}

// Whatever a browser lacks that is newer than 2021, its users get the captcha,
// and the challenge where the backend asks for it.
func TestGenerations_LoseNobody(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded") // payment keeps its captcha then, login has a challenge
	for _, g := range generations {
		t.Run("without "+g.name, func(t *testing.T) {
			s.t = t
			p := b.tab(t, s)
			if g.agent != "" {
				_, err := chromedp.Call(p.ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: g.agent})
				p.must(err)
			}
			p.before(g.without)
			p.visit(s.shop.URL + "/shop?data-scene=payment")
			p.clicks(box)
			p.clicks(human)
			p.stands("verified")
			got := eval[string](p, `Captchagate.challenge("#c", `+s.issues()+`).then((r) => [r.ret, r.state, r.ticket, told.errors.length].join())`)
			if got != "0,verified,,0" {
				t.Errorf("the challenge gave %s", got)
			}
			p.clicks(submit)
			if got := p.answered(); got != "allow challenge_solved degraded forced" {
				t.Errorf("answered %q", got)
			}
			if l := s.received(); len(l) != 1 || l[0].Ticket != "" {
				t.Errorf("the backend received %+v", l)
			}
			p.isFine("Content Security Policy", "shift") // a style element is not allowed, and so the box has another height
		})
	}
}

// Without constructable style sheets the box is styled by an element if the
// page's policy has its nonce, else it is plain; either can be used by everybody.
func TestGenerations_AreStyledOrPlain(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(filepath.Join(packages(t), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	b, s := openBrowser(t), openSite(t, nil)
	s.answers("GET /nonce", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "style-src 'nonce-abc'; script-src 'nonce-abc' "+s.simulate)
		text("text/html", `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,"><main><h1>Log in</h1><script nonce="`+r.URL.Query().Get("nonce")+`" src="/client/captcha.js"></script>`+form+`</main>`)(w, r)
	})
	for name, nonce := range map[string]string{"styled": "abc", "plain": ""} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			p := b.tab(t, s)
			p.before(noAdopting)
			path := "/nonce?nonce=abc"
			if nonce == "" {
				path = "/shop"
			}
			p.visit(s.shop.URL + path)
			p.stands("ready")
			styled := eval[string](p, `getComputedStyle(document.querySelector("#c").shadowRoot.querySelector(".box")).display`) == "grid"
			if styled != (name == "styled") {
				t.Errorf("styled: %v", styled)
			}
			p.looks(390, "light")
			p.shoots("generation-" + name)
			p.accessible(string(axe))
			p.clicks(box)
			p.clicks(human)
			p.stands("verified")
		})
	}
}

// Under trusted types scripts load by policies of ours; where the page does not
// allow one that is a load error, and the form can be sent all the same.
func TestGenerations_TrustedTypes(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	for _, row := range []struct{ allowed, captcha, challenge string }{
		{"captchagate captchagate-challenge", "verified", "verified"},
		{"captchagate", "verified", "the captcha again"}, // the challenge has no solver
		{"'none'", "degraded", "unavailable"},
	} {
		t.Run(row.allowed, func(t *testing.T) {
			s.t = t
			p := b.opens(s, "data-scene=payment&csp="+url.QueryEscape("require-trusted-types-for 'script'; trusted-types "+row.allowed))
			p.clicks(box)
			if row.captcha == "verified" {
				p.clicks(human)
			}
			p.stands(row.captcha)
			p.do(`{ window.got = ""; Captchagate.challenge("#c", ` + s.issues() + `).then((r) => { got = [r.ret, r.state].join(); }); }`)
			want := "0," + row.challenge
			if row.challenge == "the captcha again" {
				p.clicks(human)
				want = "0,verified"
			}
			p.waits(`got`)
			if got := eval[string](p, `got`); got != want {
				t.Errorf("the challenge gave %s, want %s", got, want)
			}
			p.clicks(submit)
			p.waits(`document.querySelector("#answer")?.textContent`)
			if l := s.received(); len(l) != 1 || row.captcha == "degraded" && !strings.HasPrefix(l[0].Ticket, "trerror_1001_") {
				t.Errorf("the backend received %+v", l)
			}
			if row.allowed == "captchagate captchagate-challenge" {
				p.isFine()
			}
			s.violated() // the rest is told in the console
		})
	}
}

// Where challenge.js cannot work at all, a solution is not to be had: the form is
// sent with a disaster ticket, and nobody waits for ever.
func TestGenerations_WithoutElementsOfOnesOwn(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	for name, without := range map[string]string{
		"custom elements":        `Object.defineProperty(window, "customElements", { value: undefined });`,
		"shadow roots for those": `{ const attach = Element.prototype.attachShadow; Element.prototype.attachShadow = function (o) { if (this.localName.includes("-")) throw new Error("no"); return attach.call(this, o); }; }`,
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			p := b.opensAfter(s, without, "") // login: it would be the challenge
			p.clicks(box)
			p.clicks(human)
			p.stands("verified")
			if got := eval[string](p, `Captchagate.challenge("#c", `+s.issues()+`).then((r) => r.state + r.ticket)`); !strings.HasPrefix(got, "unavailabletrerror_1001_190000001_") {
				t.Errorf("the challenge gave %s", got)
			}
		})
	}
}

// A challenge element that stands by itself hands its solution to the form in
// browsers without form-associated elements, too.
func TestGenerations_ElementByItself(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	s.serves("/element", `<script src="/client/challenge.js"></script><form method="post" action="/login"><captchagate-challenge src="/v1/challenge?scene=login" name="captcha-response"></captchagate-challenge><button id="go">Log in</button></form>`)
	for name, without := range map[string]string{"with": "", "without": noInternals} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			p := b.tab(t, s)
			p.before(without)
			p.visit(s.shop.URL + "/element")
			p.clicks(`document.querySelector("captchagate-challenge").shadowRoot.querySelector("input")`)
			p.waits(`document.querySelector("captchagate-challenge").state === "verified"`)
			p.clicks(submit)
			p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
			if l := s.received(); len(l) != 1 || l[0].String() != "allow challenge_solved degraded forced" {
				t.Errorf("the backend received %+v", l)
			}
		})
	}
}
