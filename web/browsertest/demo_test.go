package browsertest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"captchagate/config"
	"captchagate/simulator"
	"captchagate/web"
	"captchagate/web/demo"
)

// openDemo adds the demonstration to a site, and opens it in a tab.
func openDemo(t *testing.T, b browser, s *site) *page {
	t.Helper()
	operators := httptest.NewServer(s.gateway.AdminHandler())
	t.Cleanup(operators.Close)
	d, err := demo.New(demo.Config{Gateway: s.shop.URL, Admin: operators.URL, Simulator: s.simulate, Policy: s.client.Policy("") + "; report-uri /csp"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	m := http.NewServeMux()
	m.Handle("/", s.shop.Config.Handler)
	m.Handle("/demo/", d)
	s.shop.Config.Handler = m
	p := b.tab(t, s)
	p.visit(s.shop.URL + "/demo/")
	return p
}

// Elements of the demonstration's page.
const (
	demoBox    = `document.querySelector("#captcha").shadowRoot.querySelector("input")`
	demoPuzzle = `document.querySelector("#captcha").shadowRoot.querySelector("captchagate-challenge")?.shadowRoot.querySelector("input")`
	demoLogin  = `document.querySelector("#login button")`
)

func (p *page) chooses(kind string) {
	p.t.Helper()
	p.clicks(`document.querySelector("#break [value=` + kind + `]")`)
	p.waits(`!` + demoLogin + `.disabled`)
}

// says waits until the demonstration shows a decision.
func (p *page) says(decision, reason string) {
	p.t.Helper()
	p.waits(`document.querySelector("#decision strong")?.textContent === "` + decision + `" && document.querySelector("#decision dd").textContent === "` + reason + `"`)
}

// The demonstration says what a product manager wants to know, in words that
// need no other, and each place can be tried.
func TestDemo_TellsItsStory(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	s := openSite(t, func(c *config.Config, _ *web.Config) {
		// So that it hangs, and mends, before long.
		c.Upstream.AttemptTimeout, c.Breaker.Probe.Timeout, c.Breaker.Ramp = 3*time.Second, 3*time.Second, time.Second
	})
	p := openDemo(t, b, s)
	p.looks(1280, "light")
	p.clicks(demoLogin) // without a ticket: the captcha opens
	p.clicks(human)
	p.says("allow", "verified")
	p.reads("API works")
	p.photographs("demo-verified")

	p.chooses("hang")
	p.reads("API is down")
	p.clicks(demoPuzzle)
	p.waits(`document.querySelector("#captcha").dataset.state === "verified"`)
	p.clicks(demoLogin)
	p.says("allow", "challenge_solved")
	p.photographs("demo-solved")
	for _, place := range []struct{ scene, decision, reason string }{
		{"comment", "allow", "degraded_allow"}, {"payment", "deny", "degraded_deny"},
	} {
		p.goesTo(place.scene)
		p.clicks(demoLogin)
		p.clicks(human)
		p.says(place.decision, place.reason)
		p.photographs("demo-" + place.scene)
	}
	p.waits(`["verified", "allowed", "challenged", "denied"].every((kind) => document.querySelector("#line ." + kind))`)
	p.goesTo("login")

	p.chooses("mend")
	p.reads("API works")
	p.waits(`document.querySelector("#events").textContent.includes("The API is back: users return little by little")`)
	p.clicks(demoLogin)
	p.clicks(human)
	p.says("allow", "verified")

	for _, kind := range []string{"blocked", "throws", "never_shows"} {
		p.chooses(kind)
		p.waits(`document.querySelector("#events li").textContent.includes("You broke the page script")`)
		p.clicks(demoLogin)
		p.says("challenge", "challenge_required")
		p.waits(`document.querySelector("#decision p").textContent.includes("tick “I am human” to go on") && ` + demoLogin + `.textContent === "Tick “I am human” first"`)
		p.photographs("demo-" + kind)
		p.clicks(demoPuzzle)
		p.says("allow", "challenge_solved")
		p.chooses("mend")
		p.waits(`document.querySelector("#events li").textContent.includes("You mended")`)
	}
	p.showsWholeEvents()
	if top := eval[string](p, `document.querySelector("#scale span").textContent`); top != "30 a second" {
		t.Errorf("after an outage the scale reaches to %q", top)
	}
	axe, err := os.ReadFile(filepath.Join(packages(t), "axe-core", "axe.min.js"))
	p.must(err)
	p.accessible(string(axe))
	p.isFine("404")
}

// showsWholeEvents holds that no event is cut, and that those that are not shown are
// counted and a click away.
func (p *page) showsWholeEvents() {
	p.t.Helper()
	const list = `document.querySelector("#events")`
	p.waits(`(() => {
		const all = [...` + list + `.children], shown = all.filter((item) => !item.hidden);
		const bottom = ` + list + `.getBoundingClientRect().bottom + 1;
		return shown.length && shown.length < all.length && shown.every((item) => item.getBoundingClientRect().bottom <= bottom)
			&& parseInt(document.querySelector("#earlier").textContent) === all.length - shown.length;
	})()`)
	p.clicks(`document.querySelector("#earlier")`)
	p.waits(`[...` + list + `.children].every((item) => !item.hidden) && ` + list + `.scrollHeight <= ` + list + `.clientHeight`)
	p.clicks(`document.querySelector("#earlier")`)
}

// What an operator forces is an event, is said to be the operator's doing, and can
// be ended on the page; its end is not taken for the end of an outage.
func TestDemo_ShowsWhatAnOperatorForces(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, func(c *config.Config, _ *web.Config) { c.Breaker.Ramp = time.Second })
	p := openDemo(t, b, s)
	p.looks(1280, "light")
	p.reads("API works")
	s.throws("degraded")
	p.reads("Forced: as if down")
	p.waits(`document.querySelector("#plain").textContent.includes("Their reason: test. In truth: API works.")`)
	p.waits(`document.querySelector("#events li").textContent.includes("An operator: forced degraded")`)
	p.photographs("demo-forced")
	axe, err := os.ReadFile(filepath.Join(packages(t), "axe-core", "axe.min.js"))
	p.must(err)
	p.accessible(string(axe))
	p.goesTo("payment")
	p.clicks(demoLogin)
	p.clicks(human)
	p.explains("The API was not asked: an operator forced it")
	p.goesTo("login")
	p.clicks(`document.querySelector("#end")`)
	p.reads("API works")
	told := `document.querySelector("#events").textContent`
	p.waits(told + `.includes("Users return little by little: the operator let go")`)
	if eval[bool](p, told+`.includes("The API is back")`) {
		t.Error("the end of what was forced is told as the end of an outage")
	}
	s.throws("normal")
	p.reads("Forced: API only")
	if err := s.sim.SetFault(simulator.Fault{Kind: simulator.InternalError}); err != nil {
		t.Fatal(err)
	}
	// broken in a way that the page does not offer: it does not say that all works
	p.waits(`![...document.querySelectorAll("#break input")].some((radio) => radio.checked)`)
	p.clicks(demoLogin)
	p.clicks(human)
	p.says("deny", "degraded_deny")
	p.explains("An operator forced that nobody is let in or challenged")
	p.photographs("demo-forced-normal")
	s.sim.ClearFault()
	s.throws("auto")
	s.drills("payment")
	p.waits(`document.querySelector("#plain").textContent.includes("A drill: 100 % of the users of payment meet an outage.")`)
	p.goesTo("payment")
	p.clicks(demoLogin)
	p.clicks(human)
	p.explains("The API was not asked: an operator's drill")
	p.photographs("demo-drill")
	p.clicks(`document.querySelector("#end")`)
	p.waits(`document.querySelector("#end").hidden`)
	p.isFine()
}

// explains waits until the demonstration gives a reason for its decision.
func (p *page) explains(why string) {
	p.t.Helper()
	p.waits(`document.querySelector("#decision p").textContent.includes("` + why + `")`)
}

// reads waits for how things stand.
func (p *page) reads(state string) {
	p.t.Helper()
	p.waits(`document.querySelector("#circuit").textContent === "` + state + `"`)
}

// goesTo chooses a place of the shop, as the keyboard does.
func (p *page) goesTo(scene string) {
	p.t.Helper()
	p.do(`{ const s = document.querySelector("#scene"); s.value = "` + scene + `"; s.dispatchEvent(new Event("change", { bubbles: true })); }`)
}

// shootsAll takes a picture of the whole page, and not only of what is seen of it.
func (p *page) shootsAll(name string) {
	p.t.Helper()
	if *shots == "" {
		return
	}
	height := eval[int64](p, `document.documentElement.scrollHeight`)
	p.must(chromedp.Do(p.ctx, chromedp.EmulateViewport(eval[int64](p, `innerWidth`), height)))
	p.shoots(name)
}

// photographs holds the page against what any page has to keep to, at each width
// and in each scheme.
func (p *page) photographs(name string) {
	for _, width := range []int64{390, 1280} {
		for _, scheme := range []string{"dark", "light"} {
			p.looks(width, scheme)
			p.shootsAll(name + "-" + map[int64]string{390: "390", 1280: "1280"}[width] + "-" + scheme)
			if eval[bool](p, `document.documentElement.scrollWidth > innerWidth`) {
				p.t.Errorf("%s: wider than %d pixels", name, width)
			}
		}
	}
}
