package browsertest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"captchagate/simulator"
)

// O3. One gateway, one tab: somebody logs in, forces, sees it start again, and a wrong key.
func TestRoom_OneGateway(t *testing.T) {
	t.Parallel()
	axe := axeCore(t)
	b, h := openBrowser(t), openHouse(t, nil)
	p := b.tab(t, &site{t: t})
	p.looks(1280, "light")
	run := func(name string, f func(t *testing.T)) { p.step(t, name, f) }
	run("ten wrong tokens in a row, and then the right one", func(t *testing.T) {
		p.visit(h.room + "/")
		p.types("#token", "a wrong token")
		p.clicks(`document.querySelector("form button")`)
		p.waits(`document.querySelector("[role=alert]")?.textContent.includes("This is not one of the gateway’s tokens.")`)
		p.types("#token", "a wrong token")
		// All at once: on a busy machine those of a minute ago do not count any more.
		p.do(`Promise.all(Array.from({ length: 10 }, () => fetch("login", { method: "POST", body: new URLSearchParams({ token: "wrong" }) }))).then(() => document.querySelector("form").requestSubmit())`)
		p.waits(`document.querySelector("[role=alert]")?.textContent.includes("Too many wrong tokens")`)
		p.accessible(axe)
		p.enters(h, operatorToken)
		if bad := p.complaints("401", "429"); len(bad) > 0 {
			t.Errorf("the browser complains: %q", bad)
		}
	})
	run("it is live", func(*testing.T) {
		p.tells("All is well", "verified")
		p.waits(`document.querySelector("#line").textContent === "Live."`)
		p.shown(axe, "normal")
	})
	run("degraded, with a reason, until it lapses", func(*testing.T) {
		p.force("degraded", "10m", "the provider announced a short break")
		p.tells("Operator olga switched verification off", "the provider announced a short break", "% challenge")
		p.waits(`document.querySelector("#in-force").textContent.includes("degraded (as if the API were down), by olga, until")`)
		p.shown(axe, "forced-degraded")
		p.force("degraded", "1s", "it is over soon")
		p.tells("All is well") // by itself
	})
	run("a restart", func(t *testing.T) {
		p.do(`window.kept = true`)
		h.stop()
		p.waits(`document.querySelector("#line").textContent.startsWith("Connection lost since")`)
		h.starts()
		p.waits(`document.querySelector("#line").textContent === "Live."`)
		if eval[bool](p, `window.kept !== true`) {
			t.Error("the page was loaded anew")
		}
	})
	run("our key is wrong", func(t *testing.T) {
		h.stop()
		h.cfg.Upstream.Apps[0].AppSecretKey = "ofAnotherApp"
		h.cfg.Store.Path = filepath.Join(t.TempDir(), "gateway.db") // it never saw a user pass
		h.starts()
		p.tells("rejects every user", "our app key or app id is wrong", "% rejected")
		p.shown(axe, "suspect")
	})
	run("a viewer cannot switch", func(t *testing.T) {
		p.clicks(`[...document.querySelectorAll("button")].find((b) => b.textContent === "Log out")`)
		p.waits(`document.querySelector("#token")`)
		p.enters(h, viewerToken)
		if eval[bool](p, `document.querySelector("[action=mode], [action=reload]") !== null`) {
			t.Error("a viewer is offered the switch")
		}
		if got := eval[float64](p, `fetch("mode", { method: "POST", body: new URLSearchParams({ mode: "degraded", reason: "x" }) }).then((a) => a.status)`); got != 403 {
			t.Errorf("a viewer who sets gets status %v", got)
		}
	})
}

// O3. One gateway, one tab: somebody sees an outage come and go.
func TestRoom_AnOutage(t *testing.T) {
	t.Parallel()
	axe := axeCore(t)
	b, h := openBrowser(t), openHouse(t, nil)
	p := b.tab(t, &site{t: t})
	p.looks(1280, "light")
	p.enters(h, operatorToken)
	p.tells("All is well", "verified")
	run := func(name string, f func(t *testing.T)) { p.step(t, name, f) }
	run("an outage as it happens, somebody typing meanwhile", func(t *testing.T) {
		p.do(`window.kept = true`)
		p.types("#switch [name=reason]", "half a rea")
		h.breaks(simulator.InternalError)
		p.tells("Captcha API down since", "% challenge", "Next probe")
		p.waits(`document.querySelector("#told").textContent.includes("Captcha API down since")`)
		if got := eval[string](p, `[window.kept, document.activeElement.name, document.activeElement.value].join()`); got != "true,reason,half a rea" {
			t.Errorf("who typed has %q", got)
		}
		p.do(`document.querySelector("#switch [name=reason]").value = ""`)
		p.waits(`document.querySelector("#charts .shade.outage")`)
		p.shown(axe, "outage")
	})
	run("forced normal, while it is away", func(*testing.T) {
		p.force("normal", "10m", "no risk for the sale")
		p.tells("Captcha API down since", "forces normal (API only; else denied)", "% denied", "degraded while the API is away")
		p.shown(axe, "forced-normal-in-an-outage")
		p.force("auto", "", "the sale is over")
		p.tells("Outage")
	})
	run("users return", func(*testing.T) {
		h.few.Store(true) // so that it takes its time
		h.sim.ClearFault()
		p.tells("Recovering", "users are verified already")
		p.shown(axe, "recovering")
		h.few.Store(false)
		p.tells("All is well", "the last incident ended")
	})
	run("its story, of one screen and one sheet", func(t *testing.T) {
		p.clicks(`document.querySelector("#incidents a")`)
		p.waits(`document.querySelector("h1")?.textContent.startsWith("Captcha incident of")`)
		p.accessible(axe)
		p.fitsOneSheet("incident")
		for _, width := range []int64{1280, 390} {
			p.looks(width, "dark")
			p.shoots(fmt.Sprintf("incident-%d-dark", width))
			p.looks(width, "light")
			p.shoots(fmt.Sprintf("incident-%d-light", width))
			if eval[bool](p, `document.documentElement.scrollWidth > innerWidth`) {
				t.Errorf("wider than %d pixels", width)
			}
		}
		p.looks(1280, "light")
		if high := eval[float64](p, `document.documentElement.scrollHeight`); high > 800 {
			t.Errorf("it is %.0f pixels high, of 800", high)
		}
	})
}

// F2. Three instances, of which one is cut off from the API, and then all from Redis.
func TestRoom_ThreeInstances(t *testing.T) {
	t.Parallel()
	axe := axeCore(t)
	b := openBrowser(t)
	redis, houses := openFleet(t, 3)
	p := b.tab(t, &site{t: t})
	p.looks(1280, "light")
	p.enters(houses[0], operatorToken)
	p.waits(`document.querySelectorAll("#instances li.good").length === 3`)

	houses[2].breaks(simulator.InternalError)
	p.tells("Users are verified, but not at 1 of 3 instances", houses[2].listen, "The API itself works", "% verified")
	p.waits(`document.querySelectorAll("#instances li.bad").length === 1`)
	p.shown(axe, "one-ill-instance")
	p.visit(houses[2].room + "/") // a session of one instance is one of all
	p.tells("This instance alone cannot reach the Captcha API since", "The other 2 verify theirs")

	houses[2].sim.ClearFault()
	p.visit(houses[0].room + "/")
	p.tells("All is well")
	redis.Stop()
	p.tells("Redis is away since", "Users are verified", "% verified")
	p.shown(axe, "redis-away")
	redis.Continue()
	p.tells("All is well")
	if bad := p.complaints("401"); len(bad) > 0 {
		t.Errorf("the browser complains: %q", bad)
	}
}

// step is one of a story: what follows it begins where it should have ended.
func (p *page) step(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	if !t.Run(name, func(t *testing.T) { p.goesOn(t); f(t) }) {
		t.FailNow()
	}
}

// fitsOneSheet looks how a page is printed.
func (p *page) fitsOneSheet(name string) {
	p.t.Helper()
	printed, err := chromedp.Call(p.ctx, cdppage.PrintToPDF, cdppage.PrintToPDFParams{PaperWidth: 8.27, PaperHeight: 11.69})
	p.must(err)
	if sheets := bytes.Count(printed.Data, []byte("/Type /Page\n")); sheets != 1 {
		p.t.Errorf("%s: it is printed on %d sheets", name, sheets)
	}
	if *shots != "" {
		p.must(os.WriteFile(filepath.Join(*shots, name+".pdf"), printed.Data, 0o600))
	}
}

func axeCore(t *testing.T) string {
	t.Helper()
	axe, err := os.ReadFile(filepath.Join(packages(t), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(axe))
}
