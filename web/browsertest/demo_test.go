package browsertest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"captchagate/config"
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
}

// says waits until the demonstration shows a decision.
func (p *page) says(decision, reason string) {
	p.t.Helper()
	p.waits(`document.querySelector("#decision strong")?.textContent === "` + decision + `" && document.querySelector("#decision dd").textContent === "` + reason + `"`)
}

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
	p.waits(`document.querySelector("#circuit").textContent === "circuit closed"`)
	p.photographs("demo-verified")

	p.chooses("hang")
	p.waits(`document.querySelector("#circuit").className === "open"`)
	p.clicks(demoPuzzle)
	p.photographs("demo-open")
	p.waits(`document.querySelector("#captcha").dataset.state === "verified"`)
	p.clicks(demoLogin)
	p.says("allow", "challenge_solved")
	p.photographs("demo-solved")

	p.chooses("mend")
	p.waits(`document.querySelector("#circuit").className === "closed"`)
	p.clicks(demoLogin)
	p.clicks(human)
	p.says("allow", "verified")

	for _, kind := range []string{"blocked", "throws", "never_shows"} {
		p.chooses(kind)
		p.waits(`document.querySelector("#events li").textContent.includes("You broke the page script")`)
		p.clicks(demoLogin)
		p.says("challenge", "challenge_required")
		p.photographs("demo-" + kind)
		p.clicks(demoPuzzle)
		p.says("allow", "challenge_solved")
		p.chooses("mend")
		p.waits(`document.querySelector("#events li").textContent.includes("You mended")`)
	}

	s.throws("degraded")
	p.waits(`document.querySelector("#circuit").textContent === "forced degraded"`)
	p.waits(`document.querySelector("#plain").textContent.includes("Their reason: test. Underneath: circuit closed.")`)
	p.photographs("demo-forced")
	axe, err := os.ReadFile(filepath.Join(packages(t), "axe-core", "axe.min.js"))
	p.must(err)
	p.accessible(string(axe))
	p.isFine("404")
}

func (p *page) photographs(name string) {
	for _, width := range []int64{390, 1280} {
		for _, scheme := range []string{"dark", "light"} {
			p.looks(width, scheme)
			p.shoots(name + "-" + map[int64]string{390: "390", 1280: "1280"}[width] + "-" + scheme)
			if eval[bool](p, `document.documentElement.scrollWidth > innerWidth`) {
				p.t.Errorf("%s: wider than %d pixels", name, width)
			}
		}
	}
}
